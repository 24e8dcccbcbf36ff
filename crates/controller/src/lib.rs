//! The vocabulary of controllers, without IO, and the fixtures that test them.
