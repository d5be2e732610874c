//! What learns besides Bayes.
