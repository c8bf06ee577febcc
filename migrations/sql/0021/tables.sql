-- Usage records added up: of each account, and of everybody together (account 0, whose keys are 0 for
-- sessions and 1 for API keys). A row is a cell: so many minutes from a moment on. What accounts used
-- is kept by quarters of an hour and by days, what everybody used by hours as well. Histograms are bins
-- (domain/histograms.py) in their order, and how many durations fell into each; they, and the sums of
-- milliseconds, are of attempts that succeeded. fold_usage() is the only writer.
CREATE TABLE usage_folds (
  account_id bigint NOT NULL,
  minutes smallint NOT NULL,
  moment bigint NOT NULL,
  model_id text NOT NULL,
  api_key_number integer NOT NULL,
  outcome text NOT NULL,
  attempts bigint NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  charged bigint NOT NULL,
  provider_cost bigint NOT NULL,
  latency_ms bigint NOT NULL,
  latency_bins smallint[] NOT NULL,
  latency_counts bigint[] NOT NULL,
  first_token_ms bigint NOT NULL,
  first_token_bins smallint[] NOT NULL,
  first_token_counts bigint[] NOT NULL,
  CONSTRAINT usage_folds_pkey PRIMARY KEY (account_id, minutes, moment, model_id, api_key_number, outcome)
) WITH (fillfactor = 70);

-- What API keys of all accounts used, for administrators.
CREATE INDEX usage_folds_of_keys ON usage_folds (minutes, moment) WHERE account_id > 0 AND api_key_number > 0;

-- Every record before this moment is in the cells, and none after it.
CREATE TABLE fold_mark (
  is_only boolean NOT NULL DEFAULT true,
  moment bigint NOT NULL DEFAULT 0,
  CONSTRAINT fold_mark_pkey PRIMARY KEY (is_only),
  CONSTRAINT fold_mark_is_one_row CHECK (is_only)
);

INSERT INTO fold_mark DEFAULT VALUES;

ALTER TABLE usage_folds ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE fold_mark ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON usage_folds TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON fold_mark TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY callers_see_their_own ON usage_folds FOR SELECT TO tallystick_user
 USING (account_id = (SELECT caller_account_id()) AND coalesce(api_key_number = (SELECT caller_key_number()), true));
CREATE POLICY admins_see_all ON usage_folds FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
CREATE POLICY the_fold_mark_is_public ON fold_mark FOR SELECT TO tallystick_user, tallystick_admin USING (true);
