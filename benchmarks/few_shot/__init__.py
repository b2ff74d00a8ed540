"""The meta-learners on the few-shot tasks of their papers. May import meta_nmt.meta_learners and data_prep.base."""
