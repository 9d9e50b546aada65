//! Pools: what callers see when connections die, servers fall silent, and everything is taken.

#[path = "pools/dead.rs"]
mod dead;
#[path = "pools/figures.rs"]
mod figures;
#[path = "pools/kinds.rs"]
mod kinds;
#[path = "pools/silent.rs"]
mod silent;
