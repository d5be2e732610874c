//! One store in facets: tokens, greylist, counters, history.
