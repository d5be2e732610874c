//! `eval:` functions by family, one table.
