//! The filter reads its policy from the admin service. That is in the same process here, and time does not pass by itself.

mod faults;
mod following;
mod setting;
mod sharing;
