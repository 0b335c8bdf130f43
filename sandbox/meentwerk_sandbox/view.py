"""Who looks at what: all that serializers need, in a request and in a job alike."""

from sqlalchemy.orm import Session

from . import roles
from .config import Config
from .models import Account, Role, User
from .site_settings import Settings


class View:
    """A database session seen by somebody (`account`), or by nobody in particular."""

    def __init__(self, config: Config, session: Session) -> None:
        self.config = config
        self.session = session
        self._settings: Settings | None = None
        self._everyone: Role | None = None

    @property
    def account(self) -> Account | None:
        """Who looks; None for anybody."""
        return None

    @property
    def settings(self) -> Settings:
        """Site settings, read once."""
        if self._settings is None:
            self._settings = Settings(self.session)
        return self._settings

    @property
    def everyone(self) -> Role:
        """The role of everyone."""
        if self._everyone is None:
            self._everyone = self.session.get_one(Role, roles.EVERYONE_ID)
        return self._everyone

    def role_of(self, user: User) -> Role:
        """A user's role; everyone's when none was given."""
        return user.own_role or self.everyone

    def url(self, path: str) -> str:
        """An address on this instance."""
        return self.config.base_url + path
