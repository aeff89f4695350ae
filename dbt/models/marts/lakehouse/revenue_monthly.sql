{{ revenue_by_period(ref('revenue_daily'), 'month') }}
