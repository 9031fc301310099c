//! There is no monitor here: nobody is root, and nothing is given up.

use std::fs::File;
use std::io;

use crate::sys::notify::State;

#[derive(Debug)]
pub(in crate::sys) enum Client {}

impl Client {
    pub(in crate::sys) fn read(&self, _which: u16) -> io::Result<File> {
        match *self {}
    }

    pub(in crate::sys) fn append(&self, _which: u16) -> io::Result<File> {
        match *self {}
    }
}

#[derive(Debug)]
pub(in crate::sys) enum Notices {}

impl Notices {
    pub(in crate::sys) fn tell(&self, _state: State) {
        match *self {}
    }
}
