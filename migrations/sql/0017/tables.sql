-- Few accounts owe anything; the sweep looks for them every other second.
CREATE INDEX balances_that_owe ON balances (account_id) WHERE owed > 0;
