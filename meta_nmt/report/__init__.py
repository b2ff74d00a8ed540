"""The report: results scored, compared, drawn and written down."""
