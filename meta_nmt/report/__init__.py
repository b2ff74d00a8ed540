"""The report: results scored, compared, drawn and written down."""

from meta_nmt.report.gather import make_report
from meta_nmt.report.write import write_report

__all__ = ["make_report", "write_report"]
