"""The long campaign of faults, `bash tests/campaign.sh`; tests/reliability runs short versions of its parts."""
