-- An API key is named by its account and a number, which is also the number of the purse it has when it
-- is funded by credits of its own. `context_id` is what row-level security goes by in its requests, as
-- the id of a session is in a person's; only the login that authenticates is ever told it, or the hash.
CREATE TABLE api_keys (
  account_id bigint NOT NULL,
  key_number integer NOT NULL,
  name text NOT NULL,
  secret_start text NOT NULL,
  secret_hash bytea NOT NULL,
  context_id uuid NOT NULL DEFAULT gen_random_uuid(),
  scopes text[] NOT NULL,
  funding text NOT NULL,
  allowed_models text[] NOT NULL,
  requests_per_minute integer,
  is_enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz,
  expires_at timestamptz,
  revoked_at timestamptz,
  emptied_at timestamptz,
  CONSTRAINT api_keys_pkey PRIMARY KEY (account_id, key_number),
  CONSTRAINT api_keys_account_exists FOREIGN KEY (account_id) REFERENCES accounts (id),
  CONSTRAINT api_keys_context_is_of_one_key UNIQUE (context_id),
  CONSTRAINT api_keys_number_is_positive CHECK (key_number > 0),
  CONSTRAINT api_keys_keep_a_hash_only CHECK (octet_length(secret_hash) = 32 AND length(secret_start) <= 4),
  CONSTRAINT api_keys_scopes_are_known CHECK (scopes <@ ARRAY['READ', 'ASK'] AND cardinality(scopes) > 0),
  CONSTRAINT api_keys_funding_is_known CHECK (funding IN ('ACCOUNT', 'OWN')),
  CONSTRAINT api_keys_requests_are_positive CHECK (requests_per_minute > 0),
  CONSTRAINT api_keys_are_emptied_after_their_end CHECK (emptied_at IS NULL OR revoked_at IS NOT NULL)
) WITH (fillfactor = 80);

CREATE INDEX api_keys_to_empty ON api_keys (account_id, key_number)
 WHERE funding = 'OWN' AND revoked_at IS NOT NULL AND emptied_at IS NULL;

-- The most a key may spend of its account's credits in a period, in moments from period_start on and
-- before period_end. It changes under the lock on the account's balance only: batches that take or end
-- holds, and whoever sets the budget, have it.
CREATE TABLE key_budgets (
  account_id bigint NOT NULL,
  key_number integer NOT NULL,
  period text NOT NULL,
  amount_max some_credits NOT NULL,
  charged credits NOT NULL DEFAULT 0,
  held credits NOT NULL DEFAULT 0,
  period_start bigint NOT NULL,
  period_end bigint NOT NULL,
  CONSTRAINT key_budgets_pkey PRIMARY KEY (account_id, key_number),
  CONSTRAINT key_budgets_key_exists FOREIGN KEY (account_id, key_number) REFERENCES api_keys (account_id, key_number),
  CONSTRAINT key_budgets_period_is_known CHECK (period IN ('DAY', 'WEEK', 'MONTH', 'LIFETIME')),
  CONSTRAINT key_budgets_period_begins_before_it_ends CHECK (period_start < period_end)
) WITH (fillfactor = 50);

-- A key lists its own rows only. Rows of sessions are not in these indexes and cost them nothing.
CREATE INDEX holds_of_a_key ON holds (account_id, api_key_number, moment) WHERE api_key_number > 0;

CREATE INDEX usage_records_of_a_key ON usage_records (account_id, api_key_number, moment) WHERE api_key_number > 0;
