"""PostgreSQL: one engine per process, short sessions."""

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from .config import Config


def engine(config: Config, *, pool: int | None = None) -> Engine:
    """An engine over libpq keywords, so that DB_HOST may be a socket directory with peer authentication."""
    return create_engine(
        "postgresql+psycopg://",
        native_inet_types=False,
        hide_parameters=True,  # errors end up in logs; e-mail addresses and tokens must not
        connect_args={
            **config.database,
            "connect_timeout": 5,
            "application_name": "sandbox",
            "options": "-c timezone=UTC -c statement_timeout=30000",
        },
        pool_size=pool or config.database_pool,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
    )


def sessions(config: Config, *, pool: int | None = None) -> sessionmaker[Session]:
    """A factory of sessions; objects stay readable after a commit."""
    return sessionmaker(engine(config, pool=pool), expire_on_commit=False)
