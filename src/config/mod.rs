//! Under the roof: the settings of the whole program, from their four sources.

pub mod settings;

pub mod load;
