-- What administrators' figures of a range are read from, without looking through a log.

CREATE INDEX accounts_in_order ON accounts (created_at);

CREATE INDEX entries_that_give ON entries (moment) INCLUDE (amount) WHERE kind IN ('SIGN_UP_GRANT', 'RECHARGE');

CREATE INDEX payments_that_were_paid ON payments (entry_moment) WHERE entry_moment IS NOT NULL;

CREATE INDEX usage_folds_of_days ON usage_folds (moment, account_id) WHERE minutes = 1440 AND account_id > 0;
