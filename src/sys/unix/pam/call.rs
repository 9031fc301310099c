//! The calls of PAM, as Linux has it.

#[cfg(target_feature = "crt-static")]
compile_error!("a static program cannot load the modules of PAM: build it without the feature pam");
#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("the feature pam is for Linux-PAM: build without it on other systems");

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr;

use pam_sys::raw;
use pam_sys::{PamConversation, PamHandle, PamMessage, PamResponse};

use crate::base::secret::Secret;
use crate::sys::pam::{Answer, Question, SERVICE, Trouble, USER_MAX};

// Of <security/_pam_types.h>.
const SUCCESS: c_int = 0;
const BUFFER_ERROR: c_int = 5;
const CONVERSATION_ERROR: c_int = 19;
const ABORT: c_int = 26;
const USER: c_int = 2;
const REMOTE_HOST: c_int = 4;
const FAIL_DELAY: c_int = 10;
const PROMPT_ECHO_OFF: c_int = 1;
const PROMPT_ECHO_ON: c_int = 2;
const SILENT: c_int = 0x8000;
const DISALLOW_NULL_PASSWORDS: c_int = 1;

/// What says that the user may not log in. Anything else says that it could not be
/// found out.
const REFUSALS: [c_int; 8] = [
    6,  // permission denied
    7,  // authentication failure
    10, // no such user
    11, // too many attempts
    12, // the password has expired and must be changed
    13, // the account has expired
    16, // the credentials have expired
    27, // the password has expired
];

/// The most messages of one conversation, by the same header.
const MESSAGES_MAX: usize = 32;

type Status = Result<(), (&'static str, c_int)>;

/// Finds out whether the password is right and the account may be used.
pub(super) fn authenticate(question: &Question) -> Answer {
    let user = CString::new(question.user()).expect("invariant: a name has no NUL");
    let mut password = Vec::with_capacity(question.password().expose().len() + 1);
    password.extend_from_slice(question.password().expose());
    password.push(0);
    let password = Secret::new(password);
    let conversation = PamConversation {
        conv: Some(converse),
        data_ptr: (&raw const password).cast_mut().cast(),
    };
    let mut transaction = match Transaction::start(&user, &conversation) {
        Ok(transaction) => transaction,
        Err(code) => return Answer::Failed(trouble(None, "pam_start", code)),
    };
    let granted = transaction
        .authenticate(question)
        .and_then(|()| transaction.user());
    match granted {
        Ok(name) => Answer::Granted(name),
        Err((call, code)) => {
            let trouble = trouble(Some(&mut transaction), call, code);
            match REFUSALS.contains(&code) {
                true => Answer::Refused(trouble),
                false => Answer::Failed(trouble),
            }
        }
    }
}

/// What the call's number means, in PAM's words.
fn trouble(transaction: Option<&mut Transaction<'_>>, call: &str, code: c_int) -> Trouble {
    let handle = transaction.map_or(ptr::null_mut(), |transaction| transaction.handle);
    // SAFETY: the handle is live or null, which the call does not look at.
    let text = unsafe { raw::pam_strerror(handle, code) };
    let text = match text.is_null() {
        true => c"unknown error",
        // SAFETY: it is a string of PAM's that ends in NUL and lasts.
        false => unsafe { CStr::from_ptr(text) },
    };
    Trouble::new(call, code, text.to_bytes())
}

/// A transaction, ended when it is dropped.
struct Transaction<'a> {
    handle: *mut PamHandle,
    last: c_int,
    /// PAM has a pointer to it.
    _conversation: &'a PamConversation,
}

impl<'a> Transaction<'a> {
    /// With the user's name and the conversation, which are used until it is dropped.
    fn start(user: &CStr, conversation: &'a PamConversation) -> Result<Transaction<'a>, c_int> {
        let service = CString::new(SERVICE).expect("invariant: a name has no NUL");
        let mut handle = ptr::null();
        // SAFETY: the strings end in NUL and are copied, as is the conversation; its
        // data lives as long as the reference to it.
        let code =
            unsafe { raw::pam_start(service.as_ptr(), user.as_ptr(), conversation, &mut handle) };
        if code != SUCCESS || handle.is_null() {
            return Err(if code == SUCCESS { ABORT } else { code });
        }
        Ok(Transaction {
            handle: handle.cast_mut(),
            last: SUCCESS,
            _conversation: conversation,
        })
    }

    fn authenticate(&mut self, question: &Question) -> Status {
        // The answer is delayed elsewhere.
        let no_delay = do_not_delay as *const () as *const c_void;
        self.set("pam_set_item", FAIL_DELAY, no_delay)?;
        if let Some(peer) = question.peer() {
            let text = CString::new(peer.to_canonical().to_string());
            let text = text.expect("invariant: an address has no NUL");
            self.set("pam_set_item", REMOTE_HOST, text.as_ptr().cast())?;
        }
        let flags = SILENT | DISALLOW_NULL_PASSWORDS;
        // SAFETY: the handle is live.
        let code = unsafe { raw::pam_authenticate(self.handle, flags) };
        self.note("pam_authenticate", code)?;
        // SAFETY: as above.
        let code = unsafe { raw::pam_acct_mgmt(self.handle, flags) };
        self.note("pam_acct_mgmt", code)
    }

    /// The name that the user goes by, which modules may have changed.
    fn user(&mut self) -> Result<Vec<u8>, (&'static str, c_int)> {
        let mut item: *const c_void = ptr::null();
        // SAFETY: the handle is live, and the pointer is to a live variable.
        let code = unsafe { raw::pam_get_item(self.handle, USER, &mut item) };
        self.note("pam_get_item", code)?;
        let name = match item.is_null() {
            true => &[],
            // SAFETY: PAM's string ends in NUL and is there until the next call.
            false => unsafe { CStr::from_ptr(item.cast::<c_char>()) }.to_bytes(),
        };
        let is_name =
            (1..=USER_MAX).contains(&name.len()) && !name.iter().any(u8::is_ascii_control);
        match is_name {
            true => Ok(name.to_vec()),
            false => Err(("pam_get_item", ABORT)),
        }
    }

    fn set(&mut self, call: &'static str, item: c_int, value: *const c_void) -> Status {
        // SAFETY: the handle is live, and the value is of the type that the item has:
        // a string, which is copied, or a function.
        let code = unsafe { raw::pam_set_item(self.handle, item, value) };
        self.note(call, code)
    }

    fn note(&mut self, call: &'static str, code: c_int) -> Status {
        self.last = code;
        match code {
            SUCCESS => Ok(()),
            code => Err((call, code)),
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is live, and nobody uses it after this. What the call
        // says changes nothing.
        unsafe { raw::pam_end(self.handle, self.last) };
    }
}

/// What PAM calls instead of sleeping.
extern "C" fn do_not_delay(_status: c_int, _microseconds: c_uint, _data: *mut c_void) {}

/// Answers modules: each prompt for something hidden with the password. Prompts for
/// something else cannot be answered, and what is only told is not heard. Called by
/// C: it must not panic.
extern "C" fn converse(
    count: c_int,
    messages: *mut *mut PamMessage,
    responses: *mut *mut PamResponse,
    data: *mut c_void,
) -> c_int {
    let count = match usize::try_from(count) {
        Ok(count @ 1..=MESSAGES_MAX) => count,
        _ => return CONVERSATION_ERROR,
    };
    if messages.is_null() || responses.is_null() || data.is_null() {
        return CONVERSATION_ERROR;
    }
    // SAFETY: the data is the password that `authenticate` keeps until the end.
    let password = unsafe { &*data.cast::<Secret>() }.expose();
    // SAFETY: the call takes no pointers. PAM frees what it gives.
    let answers = unsafe { libc::calloc(count, size_of::<PamResponse>()) }.cast::<PamResponse>();
    if answers.is_null() {
        return BUFFER_ERROR;
    }
    for index in 0..count {
        // SAFETY: Linux-PAM gives as many pointers to messages as it says, and there
        // is room for as many answers, which are zeros so far.
        let (message, answer) = unsafe { (*messages.add(index), &mut *answers.add(index)) };
        // SAFETY: the message is there while it is answered.
        let style = unsafe { message.as_ref() }.map(|message| message.msg_style);
        let code = match style {
            Some(PROMPT_ECHO_OFF) => fill(answer, password),
            Some(PROMPT_ECHO_ON) | None => CONVERSATION_ERROR,
            Some(_) => SUCCESS,
        };
        if code != SUCCESS {
            // SAFETY: all of them are ours still, and none is used after this.
            unsafe { take_back(answers, count, password.len()) };
            return code;
        }
    }
    // SAFETY: it is where PAM wants the answers.
    unsafe { *responses = answers };
    SUCCESS
}

/// Puts a copy of the password there that PAM frees.
fn fill(answer: &mut PamResponse, password: &[u8]) -> c_int {
    // SAFETY: the call takes no pointers.
    let copy = unsafe { libc::malloc(password.len()) };
    if copy.is_null() {
        return BUFFER_ERROR;
    }
    // SAFETY: both have that length, and the copy is new.
    unsafe { ptr::copy_nonoverlapping(password.as_ptr(), copy.cast(), password.len()) };
    answer.resp = copy.cast();
    SUCCESS
}

/// Frees answers that are not given after all, with what they say.
///
/// # Safety
///
/// They must be as many, from `calloc`, and each null or to as many octets from
/// `malloc`.
unsafe fn take_back(answers: *mut PamResponse, count: usize, length: usize) {
    for index in 0..count {
        // SAFETY: by the caller's promise.
        unsafe {
            let text = (*answers.add(index)).resp;
            if !text.is_null() {
                libc::explicit_bzero(text.cast(), length);
            }
            libc::free(text.cast());
        }
    }
    // SAFETY: by the caller's promise.
    unsafe { libc::free(answers.cast()) };
}

#[cfg(test)]
mod tests;
