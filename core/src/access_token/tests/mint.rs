//! What is minted.

use super::super::mint;
use super::*;

#[test]
fn a_token_is_that_of_an_independent_implementation() {
    let golden = Golden::read();
    let ring = ring();
    let token = mint(&ring.signer(at(0)).unwrap(), &golden.claims()).unwrap();
    assert_eq!(token.expose(), golden.token);
}

#[test]
fn a_token_is_written_without_growing() {
    let golden = Golden::read();
    let token = mint(&ring().signer(at(0)).unwrap(), &golden.claims()).unwrap();
    assert_eq!(token.0.capacity(), token.expose().len());
}

#[test]
fn debug_output_shows_nothing_of_a_token() {
    let golden = Golden::read();
    let token = mint(&ring().signer(at(0)).unwrap(), &golden.claims()).unwrap();
    assert_eq!(format!("{token:?}"), "AccessToken([redacted])");
}
