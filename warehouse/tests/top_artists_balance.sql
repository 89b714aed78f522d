-- Every listen is of exactly one artist: the days where the two counts differ.
{{ days_out_of_balance('count(*)', ref('fct_listens'), ref('top_artists_daily'), 'listens') }}
