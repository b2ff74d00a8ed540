"""Translation with adapted models: export to a translator folder, the backends that search, and the translator."""
