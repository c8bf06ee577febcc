-- A payment is named by the purse its credits go to and the moment its checkout began. Amounts of
-- money are in subunits of the currency beside them; `price`, `credits` and what they were made of
-- are the order, which never changes.
CREATE TABLE payments (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL DEFAULT 0,
  provider text NOT NULL,
  mode text NOT NULL,
  pack_id text NOT NULL,
  pack_name text NOT NULL,
  currency text NOT NULL,
  price bigint NOT NULL,
  price_basis text NOT NULL,
  credits some_credits NOT NULL,
  bonus credits NOT NULL DEFAULT 0,
  valid_days integer,
  bonus_valid_days integer,
  status text NOT NULL DEFAULT 'PENDING',
  checkout_reference text,
  checkout_url text,
  charge_reference text,
  customer_reference text,
  receipt_url text,
  paid_at timestamptz,
  entry_moment bigint,
  money_back bigint NOT NULL DEFAULT 0,
  taken_back credits NOT NULL DEFAULT 0,
  taken_at timestamptz,
  became_owed credits NOT NULL DEFAULT 0,
  revision bigint NOT NULL DEFAULT 0,
  looks smallint NOT NULL DEFAULT 0,
  looked_at timestamptz,
  CONSTRAINT payments_pkey PRIMARY KEY (account_id, moment, key_number),
  CONSTRAINT payments_account_exists FOREIGN KEY (account_id) REFERENCES accounts (id),
  CONSTRAINT payments_checkout_pays_once UNIQUE (provider, checkout_reference),
  CONSTRAINT payments_charge_pays_once UNIQUE (provider, charge_reference),
  CONSTRAINT payments_words_are_known CHECK (
    provider IN ('STRIPE', 'PAYSTACK') AND mode IN ('LIVE', 'TEST', 'SANDBOX') AND currency IN ('USD', 'KES')
    AND status IN ('PENDING', 'SUCCEEDED', 'FAILED', 'EXPIRED', 'REVERSED')),
  CONSTRAINT payments_are_into_the_accounts_own_purse CHECK (key_number = 0),
  CONSTRAINT payments_cost_something CHECK (price > 0),
  CONSTRAINT payments_credits_last_a_while CHECK (valid_days > 0 AND bonus_valid_days > 0),
  CONSTRAINT payments_bring_credits_when_they_succeed CHECK (
    (entry_moment IS NOT NULL) = (status IN ('SUCCEEDED', 'REVERSED')) AND (entry_moment IS NULL) = (paid_at IS NULL)),
  CONSTRAINT payments_give_back_at_most_what_they_brought CHECK (
    money_back >= 0 AND money_back <= price AND taken_back <= credits + bonus
    AND (entry_moment IS NOT NULL OR (money_back = 0 AND taken_back = 0))),
  CONSTRAINT payments_are_reversed_when_all_is_back CHECK (
    entry_moment IS NULL OR (status = 'REVERSED') = (money_back = price))
) WITH (fillfactor = 70);

CREATE INDEX payments_to_look_at ON payments (moment) WHERE status = 'PENDING';

CREATE INDEX payments_by_time ON payments USING brin (moment) WITH (pages_per_range = 16, autosummarize = on);

-- Which lines of the ledger a payment wrote: its purchase, what was taken back, what was restored.
CREATE TABLE payment_entries (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL DEFAULT 0,
  payment_moment bigint NOT NULL,
  CONSTRAINT payment_entries_pkey PRIMARY KEY (account_id, moment, key_number)
);

CREATE INDEX payment_entries_of_a_payment ON payment_entries (account_id, payment_moment);

-- Refunds and disputes, as their provider last said they stand.
CREATE TABLE payment_reversals (
  account_id bigint NOT NULL,
  payment_moment bigint NOT NULL,
  kind text NOT NULL,
  reference text NOT NULL,
  amount bigint NOT NULL,
  state text NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT payment_reversals_pkey PRIMARY KEY (account_id, payment_moment, kind, reference),
  CONSTRAINT payment_reversals_account_exists FOREIGN KEY (account_id) REFERENCES accounts (id),
  CONSTRAINT payment_reversals_words_are_known CHECK (
    kind IN ('REFUND', 'DISPUTE')
    AND state IN ('PENDING', 'SUCCEEDED', 'FAILED', 'OPEN', 'WON', 'LOST', 'WARNING', 'GONE')),
  CONSTRAINT payment_reversals_amounts_are_never_negative CHECK (amount >= 0)
);

-- Messages of providers that were dealt with, each by the commit that did what followed from it.
CREATE TABLE payment_events (
  account_id bigint NOT NULL,
  provider text NOT NULL,
  key text NOT NULL,
  kind text NOT NULL,
  payment_moment bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT payment_events_pkey PRIMARY KEY (account_id, provider, key)
);

-- What somebody should look at. Of one kind and subject there is one at a time that nobody has seen.
CREATE TABLE alerts (
  id bigint GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL,
  severity text NOT NULL,
  subject text NOT NULL,
  message text NOT NULL,
  count bigint NOT NULL DEFAULT 1,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  acknowledged_at timestamptz,
  acknowledged_by bigint,
  CONSTRAINT alerts_pkey PRIMARY KEY (id),
  CONSTRAINT alerts_words_are_known CHECK (
    kind IN ('PROVIDER_FAILURES', 'LEDGER_IMBALANCE', 'STUCK_HOLDS', 'ANSWER_BACKLOG', 'PAYMENT_MISMATCH',
             'WEBHOOK_REJECTED', 'UNUSUAL_SPENDING', 'SIGN_IN_ABUSE')
    AND severity IN ('INFO', 'WARNING', 'CRITICAL')),
  CONSTRAINT alerts_are_seen_at_least_once CHECK (count > 0)
);

CREATE UNIQUE INDEX alerts_are_counted_until_seen ON alerts (kind, subject) WHERE acknowledged_at IS NULL;

-- What the sandbox, which plays payment provider in demo mode, knows of its charges.
CREATE TABLE sandbox_charges (
  reference text NOT NULL,
  facts jsonb NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sandbox_charges_pkey PRIMARY KEY (reference)
);
