//! The table, by the part of the way on which the mistake is made.

mod asking;
mod attacked;
mod believed;
mod circuit;
mod door;
mod kept;
mod ledger;
mod owed;
mod proof;
mod work;

use crate::mutant::Mutant;

/// All parts, in the order of an event's way.
static TABLES: [&[Mutant]; 10] = [
    door::MUTANTS,
    proof::MUTANTS,
    work::MUTANTS,
    owed::MUTANTS,
    circuit::MUTANTS,
    asking::MUTANTS,
    ledger::MUTANTS,
    believed::MUTANTS,
    kept::MUTANTS,
    attacked::MUTANTS,
];

/// Every mutant, in the order in which they are numbered.
pub fn all() -> Vec<Mutant> {
    TABLES.concat()
}
