-- account_id leads every key, so that the tables can be distributed by account one day.
-- Tables the hot path writes carry no foreign keys: apply() is their only writer, it holds the lock
-- on the balance they all depend on, and `tallystick verify` looks for orphans.

-- What a table checks is read anew for every statement, what a domain checks once per connection: on
-- the hot path that was a third of a statement's time.
CREATE DOMAIN credits AS bigint CONSTRAINT credits_are_never_negative CHECK (VALUE >= 0);

CREATE DOMAIN some_credits AS bigint CONSTRAINT some_credits_are_more_than_none CHECK (VALUE > 0);

CREATE DOMAIN entry_kind AS text CONSTRAINT entry_kind_is_known CHECK (VALUE IN (
  'SIGN_UP_GRANT', 'PURCHASE', 'CHARGE', 'REFUND', 'RECHARGE', 'ADJUSTMENT', 'TRANSFER', 'CHARGEBACK', 'EXPIRY'));

CREATE DOMAIN hold_status AS text CONSTRAINT hold_status_is_known CHECK (VALUE IN (
  'OPEN', 'CAPTURED', 'RELEASED', 'EXPIRED'));

CREATE TABLE accounts (
  id bigint NOT NULL,
  role text NOT NULL DEFAULT 'USER',
  status text NOT NULL DEFAULT 'ACTIVE',
  display_name text,
  suspension_reason text,
  is_demo boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT accounts_pkey PRIMARY KEY (id),
  CONSTRAINT accounts_role_is_known CHECK (role IN ('USER', 'ADMIN')),
  CONSTRAINT accounts_status_is_known CHECK (status IN ('ACTIVE', 'SUSPENDED')),
  CONSTRAINT accounts_suspended_have_a_reason CHECK (status = 'ACTIVE' OR suspension_reason IS NOT NULL)
);

CREATE TABLE account_contacts (
  account_id bigint NOT NULL,
  email text NOT NULL,
  confirmed_at timestamptz,
  CONSTRAINT account_contacts_pkey PRIMARY KEY (account_id),
  CONSTRAINT account_contacts_account_exists FOREIGN KEY (account_id) REFERENCES accounts (id),
  CONSTRAINT account_contacts_email_is_used_once UNIQUE (email),
  CONSTRAINT account_contacts_email_is_lower_case CHECK (email = lower(email) AND email LIKE '%_@_%')
);

CREATE TABLE sessions (
  id uuid NOT NULL,
  account_id bigint NOT NULL,
  refresh_token_hash bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  CONSTRAINT sessions_pkey PRIMARY KEY (id),
  CONSTRAINT sessions_account_exists FOREIGN KEY (account_id) REFERENCES accounts (id)
);

CREATE INDEX sessions_of_an_account ON sessions (account_id, created_at);

CREATE TABLE balances (
  account_id bigint NOT NULL,
  key_number integer NOT NULL DEFAULT 0,
  total credits NOT NULL DEFAULT 0,
  held credits NOT NULL DEFAULT 0,
  owed credits NOT NULL DEFAULT 0,
  unattributed credits NOT NULL DEFAULT 0,
  entries bigint NOT NULL DEFAULT 0,
  moment bigint NOT NULL,
  next_expiry timestamptz,
  CONSTRAINT balances_pkey PRIMARY KEY (account_id, key_number),
  CONSTRAINT balances_account_exists FOREIGN KEY (account_id) REFERENCES accounts (id),
  CONSTRAINT balances_available_is_never_negative CHECK (total >= held)
) WITH (fillfactor = 50);

CREATE TABLE entries (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  seq bigint NOT NULL,
  kind entry_kind NOT NULL,
  amount bigint NOT NULL,
  total_after credits NOT NULL,
  hold_moment bigint,
  reverses_moment bigint,
  actor_id bigint,
  reason text,
  CONSTRAINT entries_pkey PRIMARY KEY (account_id, moment, key_number),
  CONSTRAINT entries_sign_follows_kind CHECK (CASE
    WHEN amount < 0 THEN kind NOT IN ('SIGN_UP_GRANT', 'PURCHASE', 'REFUND', 'RECHARGE')
    ELSE amount > 0 AND kind NOT IN ('CHARGE', 'EXPIRY') END)
) PARTITION BY RANGE (moment);

CREATE INDEX entries_that_reverse ON entries (account_id, reverses_moment) WHERE reverses_moment IS NOT NULL;

-- A hold and the answer it pays for are one row: they share a name, begin together and end together,
-- at most once. The row is updated in place (its indexes hold nothing that changes), so open holds
-- are found by time: sweep_mark tells the moment before which every hold has ended.
CREATE TABLE holds (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  api_key_number integer NOT NULL,
  amount some_credits NOT NULL,
  captured credits NOT NULL DEFAULT 0,
  status hold_status NOT NULL DEFAULT 'OPEN',
  expires_at timestamptz NOT NULL,
  ended_moment bigint,
  key uuid NOT NULL,
  digest uuid NOT NULL,
  model_id text,
  price_id bigint,
  answer_tokens_max integer,
  runner uuid,
  finish_reason text,
  failure text,
  attempts smallint NOT NULL DEFAULT 0,
  CONSTRAINT holds_pkey PRIMARY KEY (account_id, moment, key_number),
  CONSTRAINT holds_key_has_one_effect UNIQUE (key, account_id),
  CONSTRAINT holds_capture_never_exceeds_the_hold CHECK (captured <= amount),
  CONSTRAINT holds_end_once_and_only_captured_ones_charge CHECK (CASE
    WHEN ended_moment IS NULL THEN status = 'OPEN' AND captured = 0
    ELSE status <> 'OPEN' AND ended_moment > moment AND (captured = 0 OR status = 'CAPTURED') END)
) WITH (fillfactor = 50);

CREATE INDEX holds_by_time ON holds USING brin (moment) WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE sweep_mark (
  is_only boolean NOT NULL DEFAULT true,
  moment bigint NOT NULL DEFAULT 0,
  CONSTRAINT sweep_mark_pkey PRIMARY KEY (is_only),
  CONSTRAINT sweep_mark_is_one_row CHECK (is_only)
);

INSERT INTO sweep_mark DEFAULT VALUES;

CREATE TABLE answer_texts (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  text text NOT NULL,
  CONSTRAINT answer_texts_pkey PRIMARY KEY (account_id, moment, key_number)
);

CREATE VIEW answers WITH (security_invoker = true) AS
SELECT h.account_id, h.moment, h.key_number, h.api_key_number,
       CASE WHEN h.ended_moment IS NULL THEN CASE WHEN h.runner IS NULL THEN 'QUEUED' ELSE 'RUNNING' END
            WHEN h.failure IS NOT NULL THEN 'FAILED'
            WHEN h.status = 'CAPTURED' AND h.finish_reason IS DISTINCT FROM 'CANCELED' THEN 'SUCCEEDED'
            ELSE 'CANCELED' END AS status, h.model_id, h.price_id,
       h.answer_tokens_max, h.runner, t.text, h.finish_reason, h.failure, h.captured AS charged,
       CASE h.status WHEN 'OPEN' THEN h.amount ELSE 0 END AS held, h.ended_moment, h.attempts
  FROM holds h
  LEFT JOIN answer_texts t USING (account_id, moment, key_number)
 WHERE h.model_id IS NOT NULL;

CREATE TABLE lots (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  entry_moment bigint NOT NULL,
  amount bigint NOT NULL,
  remaining bigint NOT NULL,
  is_paid boolean NOT NULL,
  expires_at timestamptz,
  CONSTRAINT lots_pkey PRIMARY KEY (account_id, moment, key_number),
  CONSTRAINT lots_amount_is_positive CHECK (amount > 0),
  CONSTRAINT lots_remaining_is_within_amount CHECK (remaining >= 0 AND remaining <= amount)
);

CREATE INDEX lots_to_burn ON lots (account_id, key_number) WHERE remaining > 0;

CREATE INDEX lots_to_expire ON lots (expires_at) WHERE remaining > 0 AND expires_at IS NOT NULL;

-- Keys of everything but holds, which keep their own.
CREATE TABLE idempotency_keys (
  account_id bigint NOT NULL,
  operation text NOT NULL,
  key uuid NOT NULL,
  digest uuid NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (account_id, operation, key)
);

CREATE TABLE models (
  id text NOT NULL,
  name text NOT NULL,
  vendor text NOT NULL,
  upstream_name text NOT NULL,
  context_window integer NOT NULL,
  answer_tokens_max integer NOT NULL,
  is_enabled boolean NOT NULL,
  is_default boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT models_pkey PRIMARY KEY (id),
  CONSTRAINT models_id_is_readable CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$'),
  CONSTRAINT models_limits_are_positive CHECK (context_window > 0 AND answer_tokens_max > 0),
  CONSTRAINT models_default_is_enabled CHECK (is_enabled OR NOT is_default)
);

CREATE UNIQUE INDEX models_default_is_one ON models (is_default) WHERE is_default;

CREATE TABLE model_prices (
  id bigint GENERATED ALWAYS AS IDENTITY,
  model_id text NOT NULL,
  input_per_1k bigint NOT NULL,
  cached_input_per_1k bigint NOT NULL,
  output_per_1k bigint NOT NULL,
  per_request bigint NOT NULL,
  provider_input_per_1m bigint,
  provider_cached_input_per_1m bigint,
  provider_output_per_1m bigint,
  effective_from timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT model_prices_pkey PRIMARY KEY (id),
  CONSTRAINT model_prices_model_exists FOREIGN KEY (model_id) REFERENCES models (id),
  CONSTRAINT model_prices_are_never_negative CHECK (
    input_per_1k >= 0 AND cached_input_per_1k >= 0 AND output_per_1k >= 0 AND per_request >= 0)
);

CREATE INDEX model_prices_of_a_model ON model_prices (model_id, id);

CREATE TABLE usage_records (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  api_key_number integer NOT NULL,
  answer_moment bigint,
  attempt smallint NOT NULL,
  outcome text NOT NULL,
  model_id text NOT NULL,
  price_id bigint NOT NULL,
  input_tokens bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  is_estimated boolean NOT NULL,
  charged bigint NOT NULL,
  latency_ms integer,
  first_token_ms integer,
  problem_code text,
  provider_cost bigint,
  CONSTRAINT usage_records_pkey PRIMARY KEY (account_id, moment, key_number),
  CONSTRAINT usage_records_outcome_is_known CHECK (outcome IN ('SUCCEEDED', 'FAILED', 'CANCELED', 'REFUSED')),
  CONSTRAINT usage_records_counts_are_never_negative CHECK (
    input_tokens >= 0 AND cached_input_tokens >= 0 AND cached_input_tokens <= input_tokens
    AND output_tokens >= 0 AND charged >= 0 AND attempt >= 1),
  CONSTRAINT usage_records_failures_are_free CHECK (charged = 0 OR outcome IN ('SUCCEEDED', 'CANCELED')),
  CONSTRAINT usage_records_failures_have_a_code CHECK ((problem_code IS NULL) = (outcome IN ('SUCCEEDED', 'CANCELED')))
) PARTITION BY RANGE (moment);

CREATE TABLE usage_hours (
  account_id bigint NOT NULL,
  hour timestamptz NOT NULL,
  model_id text NOT NULL,
  api_key_number integer NOT NULL,
  attempts bigint NOT NULL,
  succeeded bigint NOT NULL,
  failed bigint NOT NULL,
  canceled bigint NOT NULL,
  refused bigint NOT NULL,
  input_tokens bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  charged bigint NOT NULL,
  latency_ms bigint NOT NULL,
  first_token_ms bigint NOT NULL,
  provider_cost bigint NOT NULL,
  CONSTRAINT usage_hours_pkey PRIMARY KEY (account_id, hour, model_id, api_key_number)
) WITH (fillfactor = 70);

CREATE TABLE audit_entries (
  id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT now(),
  actor_id bigint,
  action text NOT NULL,
  target_id text,
  summary text NOT NULL,
  CONSTRAINT audit_entries_pkey PRIMARY KEY (id)
);

-- Administrators page through everybody's rows by time; summaries of pages are all that takes.
CREATE INDEX entries_by_time ON entries USING brin (moment) WITH (pages_per_range = 16, autosummarize = on);

CREATE INDEX usage_records_by_time ON usage_records USING brin (moment) WITH (pages_per_range = 16, autosummarize = on);
