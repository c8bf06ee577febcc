-- Whoever reads a budget is told when its next period begins.

REVOKE ALL ON FUNCTION take_budgets, return_budgets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION budget_period_end TO tallystick_user, tallystick_admin;
