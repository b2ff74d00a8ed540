"""The report: results scored, compared, drawn and written down."""

from meta_nmt.report.gather import gather
from meta_nmt.report.write import write_report

__all__ = ["gather", "write_report"]
