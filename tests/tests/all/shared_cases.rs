//! The shared case table. Every row runs in the test host and in Envoy, over HTTP/1.1 and HTTP/2; both must do what the
//! row says, and the same.

use postern_tests::fixture::World;
use postern_tests::{Result, cases};

#[tokio::test]
async fn a_request_without_one_well_formed_credential_is_told_so() -> Result<()> {
    let world = World::new()?;
    cases::run(&world, &cases::credentials(&world)?)
        .await?
        .assert_none();
    Ok(())
}

#[tokio::test]
async fn every_token_that_is_not_good_gets_one_and_the_same_answer() -> Result<()> {
    let world = World::new()?;
    cases::run(&world, &cases::tokens(&world)?)
        .await?
        .assert_none();
    Ok(())
}

#[tokio::test]
async fn the_exchange_answers_in_every_spelling_and_to_nothing_but_post() -> Result<()> {
    let world = World::new()?;
    cases::run(&world, &cases::exchange(&world)?)
        .await?
        .assert_none();
    Ok(())
}

#[tokio::test]
async fn a_path_that_could_be_read_in_two_ways_is_refused_in_every_place() -> Result<()> {
    let world = World::new()?;
    cases::run(&world, &cases::paths(&world)?)
        .await?
        .assert_none();
    Ok(())
}

#[tokio::test]
async fn a_request_names_one_method_and_is_held_to_its_audience() -> Result<()> {
    let world = World::new()?;
    cases::run(&world, &cases::routes(&world)?)
        .await?
        .assert_none();
    Ok(())
}

#[tokio::test]
async fn the_upstream_sees_our_word_alone_and_no_credential() -> Result<()> {
    let world = World::new()?;
    cases::run(&world, &cases::forwarding(&world)?)
        .await?
        .assert_none();
    Ok(())
}

#[tokio::test]
async fn a_gateway_answers_for_its_own_authorities_only() -> Result<()> {
    let world = World::new()?;
    cases::run(&world, &cases::authority(&world)?)
        .await?
        .assert_none();
    Ok(())
}
