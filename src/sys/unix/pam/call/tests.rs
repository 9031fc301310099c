use super::*;

/// Holds a conversation of prompts in these styles, and gives what it comes to: the
/// number, and the answers.
fn hold(styles: &[c_int]) -> (c_int, Vec<Option<Vec<u8>>>) {
    let password = Secret::new(*b"secret\0");
    let message = |style: &c_int| PamMessage {
        msg_style: *style,
        msg: c"prompt".as_ptr(),
    };
    let mut messages: Vec<PamMessage> = styles.iter().map(message).collect();
    let mut pointers: Vec<*mut PamMessage> = messages.iter_mut().map(ptr::from_mut).collect();
    let mut answers: *mut PamResponse = ptr::null_mut();
    let count = c_int::try_from(styles.len()).unwrap();
    let data = (&raw const password).cast_mut().cast();
    let code = converse(count, pointers.as_mut_ptr(), &mut answers, data);
    let mut texts = Vec::new();
    if !answers.is_null() {
        for index in 0..styles.len() {
            // SAFETY: there are as many answers as prompts, each null or from `malloc`
            // and with a NUL in the end; they are ours to free, as they are PAM's.
            unsafe {
                let text = (*answers.add(index)).resp;
                texts.push((!text.is_null()).then(|| CStr::from_ptr(text).to_bytes().to_vec()));
                libc::free(text.cast());
            }
        }
        // SAFETY: as above.
        unsafe { libc::free(answers.cast()) };
    }
    (code, texts)
}

#[test]
fn hidden_prompts_are_answered_with_the_password() {
    let secret = || Some(b"secret".to_vec());
    assert_eq!(hold(&[PROMPT_ECHO_OFF]), (SUCCESS, vec![secret()]));
    // Two prompts, an error (3) and something to read (4).
    let all = hold(&[4, PROMPT_ECHO_OFF, 3, PROMPT_ECHO_OFF]);
    assert_eq!(all, (SUCCESS, vec![None, secret(), None, secret()]));
    let most = hold(&[PROMPT_ECHO_OFF; MESSAGES_MAX]);
    assert_eq!(most, (SUCCESS, vec![secret(); MESSAGES_MAX]));
}

#[test]
fn other_conversations_are_not_held() {
    let none = (CONVERSATION_ERROR, vec![]);
    assert_eq!(hold(&[PROMPT_ECHO_ON]), none);
    assert_eq!(
        hold(&[PROMPT_ECHO_OFF, PROMPT_ECHO_ON, PROMPT_ECHO_OFF]),
        none
    );
    assert_eq!(hold(&[]), none);
    assert_eq!(hold(&[PROMPT_ECHO_OFF; MESSAGES_MAX + 1]), none);
    let mut answers: *mut PamResponse = ptr::null_mut();
    let code = converse(1, ptr::null_mut(), &mut answers, ptr::null_mut());
    assert_eq!((code, answers.is_null()), (CONVERSATION_ERROR, true));
    let code = converse(-1, ptr::null_mut(), &mut answers, ptr::null_mut());
    assert_eq!((code, answers.is_null()), (CONVERSATION_ERROR, true));
}

#[test]
fn what_says_no_is_told_from_what_fails() {
    let name = format!("no-such-user-{}", std::process::id());
    let question = Question::new(name.as_bytes(), b"x", "192.0.2.7".parse().ok());
    // Whatever the rules of this system say, they do not let this one in.
    let answer = authenticate(&question.unwrap());
    assert!(!matches!(answer, Answer::Granted(_)), "{answer:?}");
    assert_eq!(
        trouble(None, "pam_start", ABORT).to_string(),
        "pam error: pam_start: 26: Critical error - immediate abort"
    );
    assert!(!trouble(None, "x", -1).to_string().is_empty());
}
