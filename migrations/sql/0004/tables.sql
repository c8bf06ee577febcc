-- A session is one family of refresh tokens: it keeps the hash of the one in force and of the one
-- before, and of what all of them begin with, by which it is found. Its size does not grow with use.
ALTER TABLE sessions
  ADD COLUMN method text,
  ADD COLUMN family_hash bytea,
  ADD COLUMN refresh_token_hash_before bytea,
  ADD COLUMN refreshed_at timestamptz,
  ADD CONSTRAINT sessions_method_is_known CHECK (method IN ('PASSWORD', 'MAGIC_LINK', 'GOOGLE', 'SUPABASE')),
  ADD CONSTRAINT sessions_family_is_of_one_session UNIQUE (family_hash);

CREATE TABLE passwords (
  account_id bigint NOT NULL,
  hash text NOT NULL,
  set_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT passwords_pkey PRIMARY KEY (account_id),
  CONSTRAINT passwords_account_exists FOREIGN KEY (account_id) REFERENCES accounts (id),
  CONSTRAINT passwords_are_hashed CHECK (hash LIKE '$argon2id$%')
);

-- What is promised to an address. The secret in the mail is made when it is sent, so none is here; a
-- row leaves when its mail was handed over, so no crash loses one.
CREATE TABLE promised_mails (
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL,
  email text NOT NULL,
  return_path text,
  display_name text,
  password_hash text,
  promised_at timestamptz NOT NULL DEFAULT now(),
  tries smallint NOT NULL DEFAULT 0,
  next_try_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT promised_mails_pkey PRIMARY KEY (id),
  CONSTRAINT promised_mails_kind_is_known CHECK (kind IN ('SIGN_IN', 'SIGN_UP')),
  CONSTRAINT promised_mails_passwords_are_hashed CHECK (password_hash LIKE '$argon2id$%')
);

CREATE INDEX promised_mails_by_turn ON promised_mails (next_try_at);

-- A link that was mailed. Who follows it first proves the address; a sign-up waits here until then.
CREATE TABLE mailed_links (
  token_hash bytea NOT NULL,
  email text NOT NULL,
  signs_up boolean NOT NULL,
  display_name text,
  password_hash text,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  CONSTRAINT mailed_links_pkey PRIMARY KEY (token_hash),
  CONSTRAINT mailed_links_passwords_are_hashed CHECK (password_hash LIKE '$argon2id$%')
);

CREATE INDEX mailed_links_of_an_address ON mailed_links (email);
