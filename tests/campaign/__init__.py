"""The long campaign of faults, `bash tests/campaign.sh`; tests/reliability runs short versions of its parts."""

import meta_nmt.plugin  # noqa: F401  before fairseq, which it keeps from setting up logging
