"""The statements behind the first schema steps. Never edit a step that was released: add one to schema.STEPS."""

# Mastodon's ids of accounts, posts and media: milliseconds since 1970 in the upper 48 bits, a sequence below.
_TIMESTAMP_ID = """
CREATE FUNCTION timestamp_id(table_name text) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT ((date_part('epoch', clock_timestamp()) * 1000)::bigint << 16)
         | (nextval((table_name || '_id_seq')::regclass) & 65535)
$$"""

_STAMPS = "created_at timestamp(3) NOT NULL DEFAULT now(), updated_at timestamp(3) NOT NULL DEFAULT now()"

TABLES: tuple[str, ...] = (
    "CREATE SEQUENCE accounts_id_seq",
    "CREATE SEQUENCE statuses_id_seq",
    "CREATE SEQUENCE media_attachments_id_seq",
    _TIMESTAMP_ID,
    f"""CREATE TABLE user_roles (
      id bigserial PRIMARY KEY, name varchar NOT NULL DEFAULT '', color varchar NOT NULL DEFAULT '',
      position integer NOT NULL DEFAULT 0, permissions bigint NOT NULL DEFAULT 0,
      highlighted boolean NOT NULL DEFAULT false, require_2fa boolean NOT NULL DEFAULT false,
      collection_limit integer NOT NULL DEFAULT 10, {_STAMPS})""",
    f"""CREATE TABLE accounts (
      id bigint PRIMARY KEY DEFAULT timestamp_id('accounts'), username varchar NOT NULL, domain varchar,
      display_name varchar NOT NULL DEFAULT '', note text NOT NULL DEFAULT '', uri varchar NOT NULL DEFAULT '',
      url varchar, locked boolean NOT NULL DEFAULT false, actor_type varchar, discoverable boolean,
      indexable boolean NOT NULL DEFAULT false, hide_collections boolean, memorial boolean NOT NULL DEFAULT false,
      fields jsonb NOT NULL DEFAULT '[]', attribution_domains varchar[] NOT NULL DEFAULT '{{}}',
      avatar_file_name varchar, avatar_content_type varchar, avatar_description varchar NOT NULL DEFAULT '',
      header_file_name varchar, header_content_type varchar, header_description varchar NOT NULL DEFAULT '',
      private_key text, public_key text NOT NULL DEFAULT '', suspended_at timestamp(3), suspension_origin integer,
      silenced_at timestamp(3), sensitized_at timestamp(3), requested_deletion_at timestamp(3), {_STAMPS})""",
    "CREATE UNIQUE INDEX index_accounts_on_username_and_domain_lower"
    " ON accounts (lower(username), coalesce(lower(domain), ''))",
    "CREATE INDEX index_accounts_on_domain ON accounts (domain)",
    f"""CREATE TABLE account_stats (
      account_id bigint PRIMARY KEY, statuses_count bigint NOT NULL DEFAULT 0,
      following_count bigint NOT NULL DEFAULT 0, followers_count bigint NOT NULL DEFAULT 0,
      last_status_at timestamp(3), {_STAMPS})""",
    f"""CREATE TABLE users (
      id bigserial PRIMARY KEY, account_id bigint NOT NULL, email varchar NOT NULL,
      encrypted_password varchar NOT NULL DEFAULT '', locale varchar, time_zone varchar, confirmed_at timestamp(3),
      confirmation_sent_at timestamp(3), approved boolean NOT NULL DEFAULT true,
      disabled boolean NOT NULL DEFAULT false, role_id bigint, settings jsonb NOT NULL DEFAULT '{{}}', sign_up_ip inet,
      created_by_application_id bigint, invite_id bigint, sign_in_count integer NOT NULL DEFAULT 0,
      current_sign_in_at timestamp(3), last_sign_in_at timestamp(3),
      otp_required_for_login boolean NOT NULL DEFAULT false, {_STAMPS})""",
    "CREATE UNIQUE INDEX index_users_on_email_lower ON users (lower(email))",
    "CREATE UNIQUE INDEX index_users_on_account_id ON users (account_id)",
    f"CREATE TABLE user_invite_requests (id bigserial PRIMARY KEY, user_id bigint NOT NULL, text text, {_STAMPS})",
    f"""CREATE TABLE invites (
      id bigserial PRIMARY KEY, user_id bigint NOT NULL, code varchar NOT NULL UNIQUE, expires_at timestamp(3),
      max_uses integer, uses integer NOT NULL DEFAULT 0, {_STAMPS})""",
    f"""CREATE TABLE username_blocks (
      id bigserial PRIMARY KEY, username varchar NOT NULL UNIQUE, normalized_username varchar NOT NULL UNIQUE,
      exact boolean NOT NULL DEFAULT false, allow_with_approval boolean NOT NULL DEFAULT false, {_STAMPS})""",
    f"""CREATE TABLE oauth_applications (
      id bigserial PRIMARY KEY, name varchar NOT NULL, uid varchar NOT NULL UNIQUE, secret varchar NOT NULL,
      redirect_uri text NOT NULL, scopes varchar NOT NULL DEFAULT '', website varchar, owner_id bigint,
      owner_type varchar, {_STAMPS})""",
    """CREATE TABLE oauth_access_grants (
      id bigserial PRIMARY KEY, token varchar NOT NULL UNIQUE, expires_in integer NOT NULL, redirect_uri text NOT NULL,
      scopes varchar, revoked_at timestamp(3), resource_owner_id bigint NOT NULL, application_id bigint NOT NULL,
      code_challenge varchar, code_challenge_method varchar, created_at timestamp(3) NOT NULL DEFAULT now())""",
    """CREATE TABLE oauth_access_tokens (
      id bigserial PRIMARY KEY, token varchar NOT NULL UNIQUE, expires_in integer, revoked_at timestamp(3),
      scopes varchar, application_id bigint, resource_owner_id bigint, last_used_at timestamp(3), last_used_ip inet,
      created_at timestamp(3) NOT NULL DEFAULT now())""",
    "CREATE INDEX index_oauth_access_tokens_on_resource_owner_id ON oauth_access_tokens (resource_owner_id)",
    f"""CREATE TABLE statuses (
      id bigint PRIMARY KEY DEFAULT timestamp_id('statuses'), account_id bigint NOT NULL, text text NOT NULL DEFAULT '',
      spoiler_text text NOT NULL DEFAULT '', sensitive boolean NOT NULL DEFAULT false,
      visibility integer NOT NULL DEFAULT 0, language varchar, in_reply_to_id bigint, in_reply_to_account_id bigint,
      reply boolean NOT NULL DEFAULT false, reblog_of_id bigint, application_id bigint,
      ordered_media_attachment_ids bigint[], quote_approval_policy integer NOT NULL DEFAULT 0,
      edited_at timestamp(3), deleted_at timestamp(3), {_STAMPS})""",
    "CREATE INDEX index_statuses_on_account_id ON statuses (account_id, id DESC)",
    "CREATE INDEX index_statuses_public ON statuses (id DESC) WHERE visibility = 0 AND deleted_at IS NULL",
    "CREATE INDEX index_statuses_on_in_reply_to_id ON statuses (in_reply_to_id) WHERE in_reply_to_id IS NOT NULL",
    "CREATE INDEX index_statuses_on_reblog_of_id ON statuses (reblog_of_id) WHERE reblog_of_id IS NOT NULL",
    f"""CREATE TABLE mentions (
      id bigserial PRIMARY KEY, status_id bigint NOT NULL, account_id bigint NOT NULL, {_STAMPS},
      UNIQUE (status_id, account_id))""",
    f"CREATE TABLE tags (id bigserial PRIMARY KEY, name varchar NOT NULL UNIQUE, {_STAMPS})",
    "CREATE TABLE statuses_tags (status_id bigint NOT NULL, tag_id bigint NOT NULL, PRIMARY KEY (tag_id, status_id))",
    f"""CREATE TABLE favourites (
      id bigserial PRIMARY KEY, account_id bigint NOT NULL, status_id bigint NOT NULL, {_STAMPS},
      UNIQUE (account_id, status_id))""",
    f"""CREATE TABLE bookmarks (
      id bigserial PRIMARY KEY, account_id bigint NOT NULL, status_id bigint NOT NULL, {_STAMPS},
      UNIQUE (account_id, status_id))""",
    f"""CREATE TABLE media_attachments (
      id bigint PRIMARY KEY DEFAULT timestamp_id('media_attachments'), account_id bigint NOT NULL, status_id bigint,
      type integer NOT NULL DEFAULT 0, file_file_name varchar, file_content_type varchar, file_file_size integer,
      file_meta jsonb, description text, blurhash varchar, {_STAMPS})""",
    "CREATE INDEX index_media_attachments_on_status_id ON media_attachments (status_id)",
    f"""CREATE TABLE follows (
      id bigserial PRIMARY KEY, account_id bigint NOT NULL, target_account_id bigint NOT NULL,
      show_reblogs boolean NOT NULL DEFAULT true, notify boolean NOT NULL DEFAULT false, languages varchar[], {_STAMPS},
      UNIQUE (account_id, target_account_id))""",
    "CREATE INDEX index_follows_on_target_account_id ON follows (target_account_id, account_id)",
    f"""CREATE TABLE follow_requests (
      id bigserial PRIMARY KEY, account_id bigint NOT NULL, target_account_id bigint NOT NULL,
      show_reblogs boolean NOT NULL DEFAULT true, notify boolean NOT NULL DEFAULT false, languages varchar[], {_STAMPS},
      UNIQUE (account_id, target_account_id))""",
    f"""CREATE TABLE notifications (
      id bigserial PRIMARY KEY, account_id bigint NOT NULL, from_account_id bigint NOT NULL, type varchar NOT NULL,
      status_id bigint, {_STAMPS})""",
    "CREATE INDEX index_notifications_on_account_id ON notifications (account_id, id DESC)",
    f"""CREATE TABLE markers (
      id bigserial PRIMARY KEY, user_id bigint NOT NULL, timeline varchar NOT NULL, last_read_id bigint NOT NULL,
      lock_version integer NOT NULL DEFAULT 0, {_STAMPS}, UNIQUE (user_id, timeline))""",
    f"""CREATE TABLE domain_blocks (
      id bigserial PRIMARY KEY, domain varchar NOT NULL UNIQUE, severity integer NOT NULL DEFAULT 0,
      reject_media boolean NOT NULL DEFAULT false, reject_reports boolean NOT NULL DEFAULT false, private_comment text,
      public_comment text, obfuscate boolean NOT NULL DEFAULT false, {_STAMPS})""",
    f"CREATE TABLE domain_allows (id bigserial PRIMARY KEY, domain varchar NOT NULL UNIQUE, {_STAMPS})",
    f"""CREATE TABLE email_domain_blocks (
      id bigserial PRIMARY KEY, domain varchar NOT NULL UNIQUE, allow_with_approval boolean NOT NULL DEFAULT false,
      {_STAMPS})""",
    f"""CREATE TABLE ip_blocks (
      id bigserial PRIMARY KEY, ip inet NOT NULL UNIQUE, severity integer NOT NULL, comment text NOT NULL DEFAULT '',
      expires_at timestamp(3), {_STAMPS})""",
    f"""CREATE TABLE canonical_email_blocks (
      id bigserial PRIMARY KEY, canonical_email_hash varchar NOT NULL UNIQUE, reference_account_id bigint,
      {_STAMPS})""",
    f"""CREATE TABLE account_warnings (
      id bigserial PRIMARY KEY, account_id bigint, target_account_id bigint NOT NULL, action varchar NOT NULL,
      text text NOT NULL DEFAULT '', {_STAMPS})""",
    f"""CREATE TABLE admin_action_logs (
      id bigserial PRIMARY KEY, account_id bigint NOT NULL, action varchar NOT NULL, target_type varchar NOT NULL,
      target_id bigint, human_identifier varchar, {_STAMPS})""",
    f"""CREATE TABLE rules (
      id bigserial PRIMARY KEY, priority integer NOT NULL DEFAULT 0, text text NOT NULL DEFAULT '',
      hint text NOT NULL DEFAULT '', deleted_at timestamp(3), {_STAMPS})""",
    f"""CREATE TABLE rule_translations (
      id bigserial PRIMARY KEY, rule_id bigint NOT NULL, language varchar NOT NULL, text text NOT NULL DEFAULT '',
      hint text NOT NULL DEFAULT '', {_STAMPS}, UNIQUE (rule_id, language))""",
    f"CREATE TABLE settings (id bigserial PRIMARY KEY, var varchar NOT NULL UNIQUE, value jsonb, {_STAMPS})",
)

# Mastodon's db/seeds: roles of config/roles.yml, reserved user names of db/seeds/05_blocked_usernames.rb.
_RESERVED = (
    *("abuse", "account", "accounts", "admin", "administration", "administrator", "admins", "help", "helpdesk"),
    *("instance", "mod", "moderator", "moderators", "mods", "owner", "root", "security", "server", "staff"),
    *("support", "webmaster"),
)

_RESERVE = "INSERT INTO username_blocks (username, normalized_username, exact) VALUES"

SEEDS: tuple[str, ...] = (
    # -99 is the role of everyone: invite_users.
    "INSERT INTO user_roles (id, name, position, permissions) VALUES (-99, '', -1, 65536)",
    # The bits of Moderator and Admin in config/roles.yml, summed (roles.Permission names them); Owner: administrator.
    "INSERT INTO user_roles (name, position, permissions, highlighted) VALUES"
    " ('Moderator', 10, 1049884, true),"
    " ('Admin', 100, 2031612, true),"
    " ('Owner', 1000, 1, true)",
    *(f"{_RESERVE} ('{name}', '{name}', true)" for name in _RESERVED),
    f"{_RESERVE} ('mastodon', 'mastodon', false), ('mastadon', 'mastadon', false)",
)

_REFERENCES: tuple[tuple[str, str, str, str], ...] = (
    ("account_stats", "account_id", "accounts", "CASCADE"),
    ("users", "account_id", "accounts", "CASCADE"),
    ("users", "role_id", "user_roles", "SET NULL"),
    ("users", "created_by_application_id", "oauth_applications", "SET NULL"),
    ("users", "invite_id", "invites", "SET NULL"),
    ("user_invite_requests", "user_id", "users", "CASCADE"),
    ("invites", "user_id", "users", "CASCADE"),
    ("oauth_access_grants", "resource_owner_id", "users", "CASCADE"),
    ("oauth_access_grants", "application_id", "oauth_applications", "CASCADE"),
    ("oauth_access_tokens", "resource_owner_id", "users", "CASCADE"),
    ("oauth_access_tokens", "application_id", "oauth_applications", "CASCADE"),
    ("statuses", "account_id", "accounts", "CASCADE"),
    ("statuses", "in_reply_to_id", "statuses", "SET NULL"),
    ("statuses", "reblog_of_id", "statuses", "CASCADE"),
    ("mentions", "status_id", "statuses", "CASCADE"),
    ("mentions", "account_id", "accounts", "CASCADE"),
    ("statuses_tags", "status_id", "statuses", "CASCADE"),
    ("statuses_tags", "tag_id", "tags", "CASCADE"),
    ("favourites", "account_id", "accounts", "CASCADE"),
    ("favourites", "status_id", "statuses", "CASCADE"),
    ("bookmarks", "account_id", "accounts", "CASCADE"),
    ("bookmarks", "status_id", "statuses", "CASCADE"),
    ("media_attachments", "account_id", "accounts", "CASCADE"),
    ("media_attachments", "status_id", "statuses", "SET NULL"),
    ("follows", "account_id", "accounts", "CASCADE"),
    ("follows", "target_account_id", "accounts", "CASCADE"),
    ("follow_requests", "account_id", "accounts", "CASCADE"),
    ("follow_requests", "target_account_id", "accounts", "CASCADE"),
    ("notifications", "account_id", "accounts", "CASCADE"),
    ("notifications", "from_account_id", "accounts", "CASCADE"),
    ("notifications", "status_id", "statuses", "CASCADE"),
    ("markers", "user_id", "users", "CASCADE"),
    ("account_warnings", "account_id", "accounts", "SET NULL"),
    ("account_warnings", "target_account_id", "accounts", "CASCADE"),
    ("admin_action_logs", "account_id", "accounts", "CASCADE"),
    ("rule_translations", "rule_id", "rules", "CASCADE"),
)


def _constraint(table: str, column: str) -> str:
    return f"fk_{table}_{column}"


def foreign_keys() -> tuple[str, ...]:
    """Add every foreign key, unchecked for rows that exist."""
    return tuple(
        f"ALTER TABLE {table} ADD CONSTRAINT {_constraint(table, column)}"
        f" FOREIGN KEY ({column}) REFERENCES {target} (id) ON DELETE {action} NOT VALID"
        for table, column, target, action in _REFERENCES
    )


def validations() -> tuple[str, ...]:
    """Check the rows that existed when the foreign keys were added."""
    return tuple(
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {_constraint(table, column)}" for table, column, _, _ in _REFERENCES
    )


LATE_INDEXES: tuple[str, ...] = (
    "CREATE INDEX index_mentions_on_account_id ON mentions (account_id, status_id)",
    "CREATE INDEX index_favourites_on_status_id ON favourites (status_id)",
)

STATUS_PINS: tuple[str, ...] = (
    f"""CREATE TABLE status_pins (
      id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
      status_id bigint NOT NULL REFERENCES statuses (id) ON DELETE CASCADE, {_STAMPS},
      UNIQUE (account_id, status_id))""",
)

IDENTITIES = (
    "ALTER TABLE users ADD COLUMN reset_password_sent_at timestamp(3)",
    f"""CREATE TABLE identities (id bigserial PRIMARY KEY, provider varchar NOT NULL, uid varchar NOT NULL,
      user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE, {_STAMPS})""",
    "CREATE UNIQUE INDEX index_identities_on_uid_and_provider ON identities (uid, provider)",
    "CREATE INDEX index_identities_on_user_id ON identities (user_id)",
)
