//! The way back to a running stack, over what a deleted one left behind.

use hookledger_tests::way_back::way_back;

use super::scene;

#[tokio::test]
async fn a_deleted_stack_comes_back_over_its_table_and_over_a_restored_copy() {
    let (_guard, scene) = scene("back").await;
    let seen = way_back(&scene.local, &scene.run, 500, |line| println!("{line}")).await;
    let seen = seen.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((seen.events, seen.published), (500, 500));
    assert_eq!((seen.owed, seen.paid), (4, 4), "what was owed is the next stack's to do");
    let again = |over| seen.again.iter().find(|again| again.over == over).unwrap();
    for over in ["the kept table", "a restored copy"] {
        let again = again(over);
        assert_eq!((again.deliveries, again.new, again.changed, again.published), (500, 0, 0, 0), "{over}");
    }
    // Without the table nothing is known.
    let empty = again("an empty table");
    assert_eq!((empty.deliveries, empty.new, empty.published), (40, 40, 40));
}
