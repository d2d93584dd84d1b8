-- Customers out of your own database:
--   multiwave customers import --sql-env CRM_URL --query-file multiwave-home/config/examples/crm.sql
-- One SELECT that only reads; name each column as config/customers.yaml does. For a delta, say what changed, such as
-- WHERE p.changed_at > current_date - 2, leave out the columns that you do not want to touch, and add --delta.
SELECT
    p.id AS customer_id,
    p.name AS full_name,
    p.language,
    p.mobile,
    p.email,
    p.push,
    c.ends_on AS contract_end,
    c.plan AS plan_name,
    c.yearly_value AS value,
    c.months AS tenure_months,
    p.vip,
    p.zip,
    p.country,
    p.sms_ok,
    p.email_ok,
    p.push_ok,
    p.call_ok
FROM person AS p
LEFT JOIN contract AS c ON c.person = p.id
ORDER BY p.id
