//! The process that holds a pod's namespaces: 36 bytes of program that let the kernel reap orphans and then sleep for
//! ever. Written out here because a node must be able to make a sandbox without any registry or compiler.

/// An ELF executable for this processor; none where it isn't written: there the image must come from a registry.
pub(super) fn program() -> Option<Vec<u8>> {
    cfg!(target_arch = "x86_64").then(x86_64)
}

const LOAD_ADDRESS: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

fn x86_64() -> Vec<u8> {
    let text = program_text();
    let size = HEADERS + u64::try_from(text.len()).expect("it is short");
    let mut elf = Vec::new();
    // e_ident: ELF, 64 bit, little endian, version 1.
    elf.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    // e_type EXEC, e_machine x86-64, e_version.
    elf.extend_from_slice(&[2, 0, 62, 0, 1, 0, 0, 0]);
    elf.extend_from_slice(&(LOAD_ADDRESS + HEADERS).to_le_bytes());
    // e_phoff, e_shoff, e_flags, e_ehsize, e_phentsize, e_phnum, no sections.
    elf.extend_from_slice(&64_u64.to_le_bytes());
    elf.extend_from_slice(&[0; 12]);
    elf.extend_from_slice(&[64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    // One segment: PT_LOAD, readable and executable.
    elf.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    for value in [0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, 0x1000] {
        elf.extend_from_slice(&value.to_le_bytes());
    }
    elf.extend_from_slice(&text);
    elf
}

fn program_text() -> Vec<u8> {
    let mut text = Vec::new();
    // rt_sigaction(SIGCHLD, &action, NULL, 8)
    text.extend_from_slice(&[0xb8, 13, 0, 0, 0]); // mov eax, 13
    text.extend_from_slice(&[0xbf, 17, 0, 0, 0]); // mov edi, SIGCHLD
    text.extend_from_slice(&[0x48, 0x8d, 0x35, 23, 0, 0, 0]); // lea rsi, [rip + 23]
    text.extend_from_slice(&[0x31, 0xd2]); // xor edx, edx
    text.extend_from_slice(&[0x41, 0xba, 8, 0, 0, 0]); // mov r10d, 8
    text.extend_from_slice(&[0x0f, 0x05]); // syscall
    // pause(), for ever
    text.extend_from_slice(&[0xb8, 34, 0, 0, 0]); // mov eax, 34
    text.extend_from_slice(&[0x0f, 0x05]); // syscall
    text.extend_from_slice(&[0xeb, 0xf7]); // jmp back to pause
    text.resize(40, 0);
    // action: SIG_IGN, SA_NOCLDWAIT, no restorer, no mask
    for value in [1_u64, 2, 0, 0] {
        text.extend_from_slice(&value.to_le_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_runs_and_sleeps() {
        let Some(program) = program() else { return };
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pause");
        std::fs::write(&path, program).expect("it can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        let mut child = std::process::Command::new(&path).spawn().expect("it is a program");
        let waits = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
            stat.contains("(pause) S")
        });
        let running = child.try_wait().expect("it is ours").is_none();
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(waits && running);
    }
}
