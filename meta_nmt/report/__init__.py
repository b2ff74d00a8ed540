"""The report: results are scored, compared, drawn and written down."""
