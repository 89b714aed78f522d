-- Every listen is in exactly one place, be it the unknown one: the days where the two counts differ.
{{ days_out_of_balance('count(*)', ref('fct_listens'), ref('listening_places_daily'), 'listens') }}
