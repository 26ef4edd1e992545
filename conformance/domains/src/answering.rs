//! A kernel for PVH domains that does what `xl shutdown`, a save and a restore want of an operating system.
//!
//! It runs in 32-bit protected mode as it is entered, without paging and interrupts, on one processor. It watches
//! `control/shutdown` in xenstore through the ring that Xen gives a domain, answers by emptying it, and shuts down. When
//! it is restored it begins anew.

use crate::elf::{BASE, HEAD};

/// The line that the kernel prints on the console when it is ready to answer.
pub const UP: &str = "answering: up";

/// Where its code begins in memory.
const CODE: u64 = BASE + HEAD as u64;
/// The pages behind the code's: for Xen's hypercall page, and for data with the stack on top.
const HYPERCALLS: u64 = BASE + 0x1000;
const DATA: u64 = BASE + 0x2000;
const STACK: u64 = BASE + 0x3000;

/// The code, and the zeros that follow it in memory.
pub(crate) fn code() -> Vec<u8> {
    let (start, end) = (&raw const osevent_answering_start, &raw const osevent_answering_end);
    // SAFETY: both labels lie in this order in one section of read-only data, which is there as long as the program.
    let mut code = unsafe { std::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }.to_vec();
    debug_assert!(code.len() <= 0x1000 - HEAD, "the code reaches into the hypercall page");
    code.resize((STACK - CODE) as usize, 0);
    code
}

unsafe extern "C" {
    static osevent_answering_start: u8;
    static osevent_answering_end: u8;
}

// Numbers and layouts are those of Xen's public headers: xen.h, sched.h, memory.h, event_channel.h, hvm/params.h,
// io/xs_wire.h, io/console.h. Addresses are those at which the code runs, so labels count from the first.
core::arch::global_asm!(
    ".pushsection .rodata.osevent_answering, \"a\"",
    ".code32",
    ".globl osevent_answering_start",
    ".hidden osevent_answering_start",
    "osevent_answering_start:",

    "cld",
    "movl ${stack}, %esp",
    // Xen writes its hypercall page: CPUID says by which MSR.
    "movl $0x40000002, %eax",
    "cpuid",
    "movl %ebx, %ecx",
    "movl ${hypercalls}, %eax",
    "xorl %edx, %edx",
    "wrmsr",
    // The page with the pending event channels, where there is no memory; Linux has it there, too.
    "movl $7, %ebx", // XENMEM_add_to_physmap
    "movl ${code} + 50f - osevent_answering_start, %ecx",
    "movl ${hypercalls} + 12 * 32, %eax",
    "call *%eax",

    // Say it on the console: out is at 1024, out_prod at 3084.
    "movl $17, %eax", // HVM_PARAM_CONSOLE_PFN
    "call 20f",
    "shll $12, %eax",
    "movl %eax, %edi",
    "movl 3084(%edi), %ecx",
    "movl ${code} + 54f - osevent_answering_start, %esi",
    "1: lodsb",
    "testb %al, %al",
    "jz 2f",
    "movl %ecx, %edx",
    "andl $2047, %edx",
    "movb %al, 1024(%edi,%edx)",
    "incl %ecx",
    "jmp 1b",
    "2: movl %ecx, 3084(%edi)",
    "movl $18, %eax", // HVM_PARAM_CONSOLE_EVTCHN
    "call 20f",
    "call 22f",

    // The ring: req at 0, rsp at 1024, then req_cons, req_prod, rsp_cons, rsp_prod.
    "movl $2, %eax", // HVM_PARAM_STORE_EVTCHN
    "call 20f",
    "movl %eax, {data}",
    "movl $1, %eax", // HVM_PARAM_STORE_PFN
    "call 20f",
    "shll $12, %eax",
    "movl %eax, %ebp",
    "movl ${code} + 51f - osevent_answering_start, %esi",
    "movl $16 + 19, %ecx",
    "call 21f",

    // Each message: its head to data + 16, what follows to data + 32.
    "3: movl ${data} + 16, %edi",
    "movl $16, %esi",
    "call 23f",
    "movl {data} + 28, %esi",
    "movl $0, {data} + 32",
    "call 23f",
    "movl {data} + 16, %eax",
    "cmpl $15, %eax", // XS_WATCH_EVENT
    "je 4f",
    "cmpl $2, %eax", // XS_READ
    "je 5f",
    "cmpl $11, %eax", // XS_WRITE
    "je 7f",
    "jmp 3b",

    "4: movl ${code} + 52f - osevent_answering_start, %esi",
    "movl $16 + 17, %ecx",
    "call 21f",
    "jmp 3b",

    // "poweroff" is reason 0, "suspend" 2; others are not answered.
    "5: movl $0, {data} + 8",
    "movb {data} + 32, %al",
    "cmpb $'p', %al",
    "je 6f",
    "cmpb $'s', %al",
    "jne 3b",
    "movl $2, {data} + 8",
    "6: movl ${code} + 53f - osevent_answering_start, %esi",
    "movl $16 + 17, %ecx",
    "call 21f",
    "jmp 3b",

    // The answer has arrived. A domain that was restored comes back from this.
    "7: movl $2, %ebx", // SCHEDOP_shutdown
    "movl ${data} + 8, %ecx",
    "movl ${hypercalls} + 29 * 32, %eax",
    "call *%eax",
    "jmp osevent_answering_start",

    // eax: the HVM parameter of that number.
    "20: movl %eax, {code} + 55f + 4 - osevent_answering_start",
    "movl $1, %ebx", // HVMOP_get_param
    "movl ${code} + 55f - osevent_answering_start, %ecx",
    "movl ${hypercalls} + 34 * 32, %eax",
    "call *%eax",
    "movl {code} + 55f + 8 - osevent_answering_start, %eax",
    "ret",

    // Sends ecx bytes at esi to xenstored.
    "21: movl 2052(%ebp), %edx",
    "8: lodsb",
    "movl %edx, %ebx",
    "andl $1023, %ebx",
    "movb %al, (%ebp,%ebx)",
    "incl %edx",
    "loop 8b",
    "movl %edx, 2052(%ebp)",
    "movl {data}, %eax",

    // Notifies event channel eax.
    "22: movl %eax, {data} + 12",
    "movl $4, %ebx", // EVTCHNOP_send
    "movl ${data} + 12, %ecx",
    "movl ${hypercalls} + 32 * 32, %eax",
    "call *%eax",
    "ret",

    // Receives esi bytes to edi.
    "23: testl %esi, %esi",
    "jz 10f",
    "9: movl 2056(%ebp), %ecx",
    "cmpl 2060(%ebp), %ecx",
    "je 11f",
    "movl %ecx, %edx",
    "andl $1023, %edx",
    "movb 1024(%ebp,%edx), %al",
    "movb %al, (%edi)",
    "incl %edi",
    "incl %ecx",
    "movl %ecx, 2056(%ebp)",
    "decl %esi",
    "jmp 23b",
    "10: ret",
    // Nothing there: sleep until the channel is pending, unless it has become so meanwhile.
    "11: movl {data}, %eax",
    "lock btrl %eax, 0xfe700800",
    "jc 9b",
    "movl $3, %ebx", // SCHEDOP_poll
    "movl ${code} + 56f - osevent_answering_start, %ecx",
    "movl ${hypercalls} + 29 * 32, %eax",
    "call *%eax",
    "jmp 9b",

    ".balign 8",
    "50: .short 0x7ff0, 0",           // DOMID_SELF
    ".long 0, 0, 0xfe700",            // XENMAPSPACE_shared_info
    "51: .long 4, 0, 0, 19",          // XS_WATCH
    ".asciz \"control/shutdown\"",
    ".asciz \"x\"",
    "52: .long 2, 0, 0, 17",          // XS_READ
    ".asciz \"control/shutdown\"",
    "53: .long 11, 0, 0, 17",         // XS_WRITE: an empty value
    ".asciz \"control/shutdown\"",
    "54: .asciz \"answering: up\\r\\n\"",
    ".balign 8",
    "55: .short 0x7ff0, 0",
    ".long 0, 0, 0",
    "56: .long {data}, 1, 0, 0",      // one port, no time limit
    ".code64",
    ".globl osevent_answering_end",
    ".hidden osevent_answering_end",
    "osevent_answering_end:",
    ".popsection",
    code = const CODE,
    hypercalls = const HYPERCALLS,
    data = const DATA,
    stack = const STACK,
    options(att_syntax)
);
