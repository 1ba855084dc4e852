//! The ledger contract: one suite for every implementation of [`Ledger`], each case asserting one rule of its
//! documentation. What the simulation shows of the memory ledger holds for the shipped one because both pass this.
//!
//! Every case gets a fresh, empty ledger. [`ledger_contract!`](crate::ledger_contract) turns the list into tests.

pub mod sample;
pub mod admit;
pub mod bodies;
pub mod entries;
pub mod parking;
pub mod due;
pub mod claims;
pub mod rows;
pub mod facts;
pub mod expectations;
pub mod listings;
pub mod circuits;
pub mod refusals;
pub mod desk;

mod inspect;

use std::collections::BTreeMap;

use hookledger_core::model::debt::DueKey;
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Desk, Ledger, Quarantine};

/// A ledger that shows what no flow reads, so no port offers it: what people and applications see, and what expires.
pub trait Inspect: Ledger + Quarantine + Desk {
    /// The result rows of a subject whose sort keys begin with `prefix`, by those keys.
    fn rows_of(&self, subject: &Subject, prefix: &str) -> impl Future<Output = BTreeMap<String, ReadRow>>;
    /// The entries that wait for a person, the longest waiting first, each with the instant it was parked.
    fn parked(&self) -> impl Future<Output = Vec<DueKey>>;
    /// The refusals kept of a provider's UTC day, in any order.
    fn refusals(&self, provider: ProviderId, day: &str) -> impl Future<Output = Vec<Refused>>;
    /// When the row may be deleted, in whole seconds, if it may be.
    fn expires_at(&self, key: &ItemKey) -> impl Future<Output = Option<UnixMs>>;
}

/// A result row as read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadRow {
    /// Its columns by name.
    pub columns: BTreeMap<String, String>,
    /// Its document.
    pub document: Vec<u8>,
}

/// One `#[test]` for each case of the contract, in a module for each group. The argument is the engine: the
/// path, as seen from within such a module, of a function that takes a case, gives it a fresh ledger and runs it.
#[macro_export]
macro_rules! ledger_contract {
    ($engine:path) => {
        $crate::ledger_contract! { @groups $engine;
            admit: [
                the_first_is_new_and_is_read_back_whole,
                the_second_is_a_duplicate_and_learns_every_state,
                a_duplicate_changes_nothing,
                one_of_fifty_racers_is_new,
                a_duplicate_is_shown_what_it_is_one_of,
                events_of_one_subject_are_apart,
                odd_ids_stay_apart_and_come_back,
                odd_texts_come_back,
                an_ignored_start_owes_nothing,
                a_parked_start_waits_for_a_person,
                what_is_not_there_is_none,
            ]
            bodies: [
                tiny_ones_come_back,
                bytes_that_are_no_text_come_back,
                sizes_around_the_compression_limit_come_back,
                sizes_around_the_inline_limit_come_back,
                what_no_item_holds_comes_back,
                the_largest_delivery_comes_back,
                one_large_body_may_belong_to_two_events,
                racing_bodies_do_not_mix,
                racing_large_bodies_of_one_size_do_not_mix,
                a_losing_body_leaves_the_winner_whole,
                they_outlive_every_change_of_state,
            ]
            entries: [
                a_failure_moves_the_debt_and_keeps_the_attempts,
                a_wait_starts_the_attempts_again_and_is_counted,
                an_attempt_not_made_is_taken_back,
                attempts_and_waits_begin_anew_and_the_debt_stays,
                settling_pays_the_debt,
                settling_says_how_or_forgets_the_last_failure,
                one_of_twenty_settles,
                only_open_ones_are_postponed_parked_or_settled,
                the_first_detail_is_frozen,
                racing_details_freeze_as_one,
                a_frozen_detail_outlives_every_change_of_state,
                what_is_not_there_is_not_frozen,
                only_what_is_settled_expires,
                what_was_found_is_pushed_after_all_once,
                a_duplicate_learns_whether_it_is_the_first_delivery,
            ]
            parking: [
                a_parked_entry_is_no_debt_of_the_reconciler,
                parked_entries_are_listed_for_a_person,
                parked_entries_are_counted_in_their_shard,
                reopening_owes_again_from_the_start,
                a_delivery_reopens_what_it_saw,
                a_duplicate_tells_how_often_it_was_reopened,
                a_person_reopens_and_what_deliveries_did_is_forgotten,
                only_parked_entries_are_reopened,
                one_of_twenty_reopens,
            ]
            due: [
                a_debt_is_listed_from_its_instant_on,
                the_oldest_come_first,
                the_limit_keeps_the_oldest,
                no_provider_hides_anothers_debts,
                each_debt_is_in_its_own_shard_alone,
                what_is_settled_is_in_no_shard,
                all_kinds_of_debt_are_listed,
                more_debts_than_one_write_holds_are_listed,
            ]
            claims: [
                one_of_twenty_moves_the_debt,
                each_counts_an_attempt,
                a_debt_that_moved_is_not_claimed,
                a_paid_debt_is_not_claimed,
                a_parked_entry_is_not_claimed,
                what_is_not_there_is_not_claimed,
                each_counts_a_poll,
                a_listing_is_claimed,
                each_kind_is_read_back_as_it_was_written,
                a_paid_debt_owes_nothing,
            ]
            rows: [
                they_come_back,
                they_replace_what_stood_under_their_key,
                they_never_go_back,
                two_of_one_walk_are_both_kept,
                a_late_walk_writes_the_second_of_two_all_the_same,
                what_has_a_name_alone_is_one,
                so_many_of_one_walk_and_no_more,
                large_documents_come_back,
                a_smaller_document_replaces_a_larger_one_whole,
                many_are_written_at_once,
                none_is_fine,
                subjects_are_apart,
                odd_keys_come_back,
            ]
            facts: [
                each_is_written_once,
                one_of_twenty_owners_gets_it,
                they_come_in_the_order_of_their_keys,
                subjects_do_not_share_them,
                each_is_matched_by_one_entry,
                matching_twice_equals_matching_once,
                what_is_not_there_is_not_matched,
                there_is_no_status_at_first,
                a_status_moves_from_the_version_seen,
                one_of_twenty_moves_the_status,
            ]
            expectations: [
                one_is_created_and_read_back,
                one_that_waits_is_not_replaced,
                one_that_ended_is_replaced,
                one_of_twenty_creates_it,
                it_ends_once,
                every_end_pays_the_debt,
                it_is_only_ever_hastened,
                what_does_not_wait_is_not_hastened,
                a_poll_is_delayed_from_the_claim_seen,
                findings_are_counted_while_it_waits,
                a_claim_counts_a_poll_and_keeps_the_rest,
                only_what_ended_expires,
            ]
            listings: [
                one_is_created_once,
                it_moves_on_from_the_claim_seen,
                a_walk_that_lost_its_claim_moves_nothing,
                one_of_twenty_moves_it,
                a_new_walk_starts_without_a_position,
            ]
            circuits: [
                there_is_none_at_first,
                one_moves_from_the_version_seen,
                one_of_twenty_moves_it,
                providers_have_their_own,
                they_are_no_debts,
            ]
            refusals: [
                a_minute_keeps_so_many,
                providers_minutes_and_shelves_do_not_share_a_cap,
                what_finds_no_room_is_counted_by_half_at_least,
                a_network_leaves_room_for_others,
                racing_refusals_stay_within_the_cap,
                they_come_back_as_they_were,
                the_same_bytes_may_be_refused_twice,
                a_flood_leaves_no_more_rows_than_the_cap,
                each_is_removed_once_and_only_as_it_was_seen,
            ]
            desk: [
                acts_are_kept_in_their_order,
                only_what_waits_for_a_person_is_touched,
                a_mark_changes_nothing_else_and_makes_no_row,
                one_of_twenty_closes,
                what_is_closed_waits_no_more_and_expires,
            ]
        }
    };
    (@groups $engine:path; $($group:ident: [$($case:ident,)+])+) => {
        $(mod $group { $crate::ledger_contract! { @cases $engine; $group: $($case)+ } })+
    };
    (@cases $engine:path; $group:ident: $($case:ident)+) => {
        $(#[test]
        fn $case() {
            $engine($crate::contract::$group::$case);
        })+
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_list() {
        let (list, _) = include_str!("contract.rs").split_once("(@groups").expect("the list's end");
        let groups = [
            ("admit", include_str!("contract/admit.rs")),
            ("bodies", include_str!("contract/bodies.rs")),
            ("entries", include_str!("contract/entries.rs")),
            ("parking", include_str!("contract/parking.rs")),
            ("due", include_str!("contract/due.rs")),
            ("claims", include_str!("contract/claims.rs")),
            ("rows", include_str!("contract/rows.rs")),
            ("facts", include_str!("contract/facts.rs")),
            ("expectations", include_str!("contract/expectations.rs")),
            ("listings", include_str!("contract/listings.rs")),
            ("circuits", include_str!("contract/circuits.rs")),
            ("refusals", include_str!("contract/refusals.rs")),
            ("desk", include_str!("contract/desk.rs")),
        ];
        for (group, source) in groups {
            let (_, rest) = list.split_once(&format!(" {group}: [")).expect("each group is listed");
            let (listed, _) = rest.split_once(']').expect("the group's end");
            let listed: Vec<&str> = listed.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            let written = source.split("pub async fn ").skip(1).filter_map(|rest| rest.split('<').next());
            assert_eq!(written.collect::<Vec<_>>(), listed, "{group}");
        }
    }
}
