"""Where raw text lies and how it is read: readers, manifests, archives, downloads. May import base."""
