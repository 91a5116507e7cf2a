"""SQL Server as target: control statements through SQLAlchemy, rows in bulk through mssql-python, as Arrow.

Imported only where a pipeline has such a target; the drivers only when a session is opened, because they want libraries
of the operating system that other machines need not have.
"""

from cdc_assets.adapters.sqlserver.target import SqlServerTarget

__all__ = ["SqlServerTarget"]
