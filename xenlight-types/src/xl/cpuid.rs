//! What a domain sees of its CPUs' features: `"host,tm=0"`, or register by register, as the older form has it.

use super::problem::Wrong;
use super::scalar::long;
use crate::cpuid::{CpuPolicy, CpuidLeaf, MsrPolicy};

/// A register of the CPUID instruction's result, or a model-specific one, and its parts.
struct Word {
    /// The input in EAX, or the number of the model-specific register.
    leaf: u32,
    subleaf: Option<u32>,
    register: &'static str,
    /// `name:bit`, and `name:bit+bits` for more than one.
    features: &'static str,
}

/// A part of a register.
struct Feature {
    word: &'static Word,
    bit: usize,
    bits: usize,
}

/// How many bits a register has.
const BITS: usize = 32;

/// What stands for a model-specific register, which has twice as many.
const MSR: &str = "msr";

/// `host,NAME=VALUE,…`
pub(crate) fn read_names(text: &str) -> Result<CpuPolicy, Wrong> {
    let mut policy = CpuPolicy::default();
    let mut parts = text.split(',').filter(|part| !part.is_empty());
    match parts.next() {
        None | Some("host") => {}
        Some(other) => return Err(Wrong::text(other, r#""host", which comes first"#)),
    }
    for part in parts {
        let (name, value) = part.split_once('=').ok_or_else(|| Wrong::text(part, "NAME=VALUE, such as tm=0"))?;
        let feature = feature(name).ok_or_else(|| {
            Wrong::text(name, "the name of a CPU's feature; without a name, give the register itself, in a list")
        })?;
        if feature.word.register == MSR {
            set_msr(&mut policy, name, value, &feature)?;
            continue;
        }
        let filter = filter_of(name, value, &feature)?;
        let leaf = leaf(&mut policy, feature.word.leaf, feature.word.subleaf);
        for (bit, bits) in filter {
            set(leaf, feature.word.register, bit, &bits);
        }
    }
    Ok(policy)
}

/// Which bits, the highest first, go to which place.
fn filter_of(name: &str, value: &str, feature: &Feature) -> Result<Vec<(usize, String)>, Wrong> {
    let most = if feature.bits == BITS { u32::MAX.into() } else { (1 << feature.bits) - 1 };
    let most = if name == "family" { FAMILY_MOST } else { most };
    let number = match value {
        "x" | "k" | "s" => None,
        _ => {
            let number = long(value).filter(|number| (0..=most).contains(number));
            Some(number.ok_or_else(|| Wrong::text(value, format!("a number, 0 to {most}, or x, k or s for {name}")))?)
        }
    };
    let bits = |number: Option<i64>, width: usize| match number {
        Some(number) => format!("{number:0width$b}"),
        None => value.repeat(width),
    };
    Ok(match name {
        // Family and model have a second field each.
        "family" => match number {
            Some(number @ 16..) => vec![(8, "1111".to_owned()), (20, bits(Some(number - 15), 8))],
            number => vec![(8, bits(number, 4)), (20, bits(Some(0), 8))],
        },
        "model" => {
            let bits = bits(number, 8);
            vec![(16, bits[..4].to_owned()), (4, bits[4..].to_owned())]
        }
        _ => vec![(feature.bit, bits(number, feature.bits))],
    })
}

/// 15, and what the second field can have.
const FAMILY_MOST: i64 = 15 + 255;

/// Sets a bit of a model-specific register, which has no numbers as values.
fn set_msr(policy: &mut CpuPolicy, name: &str, value: &str, feature: &Feature) -> Result<(), Wrong> {
    let value = match value {
        "0" | "1" | "x" | "k" => value,
        // Both mean the host's value.
        "s" => "k",
        _ => return Err(Wrong::text(value, format!("0, 1, x, k or s for {name}"))),
    };
    let index = feature.word.leaf;
    let there = policy.msrs.iter().position(|msr| msr.index == index);
    let there = there.unwrap_or_else(|| {
        policy.msrs.push(MsrPolicy::new(index, "x".repeat(2 * BITS)));
        policy.msrs.len() - 1
    });
    let bit = 2 * BITS - 1 - feature.bit;
    policy.msrs[there].policy.replace_range(bit..=bit, value);
    Ok(())
}

/// The older form, of one leaf: `LEAF[,SUBLEAF]:eax=…,ebx=…`, 32 characters for each register.
pub(crate) fn read_registers(text: &str, policy: &mut CpuPolicy) -> Result<(), Wrong> {
    const EXPECTED: &str = "LEAF:REGISTER=BITS, such as 0x1:ecx=x and so on, 32 characters for each register";
    let (input, registers) = text.split_once(':').ok_or_else(|| Wrong::text(text, EXPECTED))?;
    let number = |text: &str| {
        let number = long(text).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| Wrong::text(text, "the number of a leaf or subleaf"))
    };
    let (eax, ecx) = input.split_once(',').map_or((input, None), |(eax, ecx)| (eax, Some(ecx)));
    let leaf = leaf(policy, number(eax)?, ecx.map(number).transpose()?);
    for register in registers.split(',').filter(|register| !register.is_empty()) {
        let (name, bits) = register.trim_start_matches([' ', '\n']).split_once('=').unwrap_or((register, ""));
        let place = of_leaf(leaf, name).ok_or_else(|| Wrong::text(register, EXPECTED))?;
        if bits.len() != BITS || !bits.bytes().all(|bit| b"01xks".contains(&bit)) {
            return Err(Wrong::text(bits, format!("32 characters out of 0, 1, x, k and s for {name}")));
        }
        *place = Some(bits.to_owned());
    }
    Ok(())
}

/// The older form of each leaf.
pub(crate) fn write(policy: &CpuPolicy) -> Vec<String> {
    let written = policy.leaves.iter().map(|leaf| {
        let registers = [("eax", &leaf.eax), ("ebx", &leaf.ebx), ("ecx", &leaf.ecx), ("edx", &leaf.edx)];
        let registers = registers.into_iter().filter_map(|(name, bits)| Some(format!("{name}={}", bits.as_ref()?)));
        let subleaf = leaf.subleaf.map_or_else(String::new, |subleaf| format!(",{subleaf:#x}"));
        format!("{:#x}{subleaf}:{}", leaf.leaf, registers.collect::<Vec<_>>().join(","))
    });
    written.collect()
}

/// The form with names, if each bit has one; the older form has no model-specific registers.
pub(crate) fn write_names(policy: &CpuPolicy) -> Option<String> {
    let leaves = policy.leaves.iter().flat_map(|leaf| {
        let registers = [("eax", &leaf.eax), ("ebx", &leaf.ebx), ("ecx", &leaf.ecx), ("edx", &leaf.edx)];
        registers.map(|(register, bits)| (leaf.leaf, leaf.subleaf, register, bits.as_deref().unwrap_or_default()))
    });
    let msrs = policy.msrs.iter().map(|msr| (msr.index, None, MSR, msr.policy.as_str()));
    let mut text = "host".to_owned();
    for (leaf, subleaf, register, bits) in leaves.chain(msrs) {
        let word = |word: &&Word| (word.leaf, word.subleaf, word.register) == (leaf, subleaf, register);
        for (bit, value) in bits.chars().rev().enumerate().filter(|(_, value)| *value != 'x') {
            let place = bit.to_string();
            let features = WORDS.iter().find(word)?.features.split(' ').filter_map(|feature| feature.split_once(':'));
            let (name, _) = features.into_iter().find(|(_, of)| *of == place)?;
            text.push_str(&format!(",{name}={value}"));
        }
    }
    Some(text)
}

/// The rules for this input, which are made if there are none.
fn leaf(policy: &mut CpuPolicy, leaf: u32, subleaf: Option<u32>) -> &mut CpuidLeaf {
    let there = policy.leaves.iter().position(|of| (of.leaf, of.subleaf) == (leaf, subleaf));
    let index = there.unwrap_or_else(|| {
        policy.leaves.push(CpuidLeaf::new(leaf, subleaf));
        policy.leaves.len() - 1
    });
    &mut policy.leaves[index]
}

fn of_leaf<'a>(leaf: &'a mut CpuidLeaf, register: &str) -> Option<&'a mut Option<String>> {
    match register {
        "eax" => Some(&mut leaf.eax),
        "ebx" => Some(&mut leaf.ebx),
        "ecx" => Some(&mut leaf.ecx),
        "edx" => Some(&mut leaf.edx),
        _ => None,
    }
}

/// Sets bits from `bit` up.
fn set(leaf: &mut CpuidLeaf, register: &str, bit: usize, bits: &str) {
    if let Some(place) = of_leaf(leaf, register) {
        let filter = place.get_or_insert_with(|| "x".repeat(BITS));
        let end = BITS - bit;
        filter.replace_range(end - bits.len()..end, bits);
    }
}

fn feature(name: &str) -> Option<Feature> {
    WORDS.iter().find_map(|word| {
        let place = word.features.split(' ').find_map(|feature| feature.strip_prefix(name)?.strip_prefix(':'))?;
        let (bit, bits) = place.split_once('+').unwrap_or((place, "1"));
        Some(Feature { word, bit: bit.parse().ok()?, bits: bits.parse().ok()? })
    })
}

/// The features that xl has names for: those of its own table, and from 4.18 on those of `cpufeatureset.h`, which has a line for
/// each feature that Xen knows. Names of all releases up to 4.22.
static WORDS: &[Word] = &[
    Word { leaf: 0x0, subleaf: None, register: "eax", features: "maxleaf:0+32" },
    Word { leaf: 0x1, subleaf: None, register: "eax", features: "stepping:0+4 model:4+8 family:8+8" },
    Word {
        leaf: 0x1,
        subleaf: None,
        register: "ebx",
        features: "brandid:0+8 clflush:8+8 proccount:16+8 localapicid:24+8",
    },
    Word {
        leaf: 0x1,
        subleaf: None,
        register: "ecx",
        features: "sse3:0 pclmulqdq:1 dtes64:2 monitor:3 dscpl:4 vmx:5 smx:6 eist:7 est:7 tm2:8 ssse3:9 cntxid:10 \
         sdbg:11 fma:12 cmpxchg16:13 cx16:13 xtpr:14 pdcm:15 pcid:17 dca:18 sse4-1:19 sse4.1:19 \
         sse4_1:19 sse4-2:20 sse4.2:20 sse4_2:20 x2apic:21 movbe:22 popcnt:23 tsc-deadline:24 aes:25 \
         aesni:25 xsave:26 osxsave:27 avx:28 f16c:29 rdrand:30 hypervisor:31",
    },
    Word {
        leaf: 0x1,
        subleaf: None,
        register: "edx",
        features: "fpu:0 vme:1 de:2 pse:3 tsc:4 msr:5 pae:6 mce:7 cmpxchg8:8 cx8:8 apic:9 sep:11 sysenter:11 \
         mtrr:12 pge:13 mca:14 cmov:15 pat:16 pse36:17 psn:18 clfsh:19 ds:21 acpi:22 mmx:23 fxsr:24 \
         sse:25 sse2:26 ss:27 htt:28 tm:29 tm1:29 ia64:30 pbe:31",
    },
    Word { leaf: 0x4, subleaf: Some(0), register: "eax", features: "procpkg:26+6" },
    Word { leaf: 0x6, subleaf: None, register: "eax", features: "arat:2" },
    Word {
        leaf: 0x7,
        subleaf: Some(0),
        register: "ebx",
        features: "fsgsbase:0 tsc-adjust:1 tsc_adjust:1 sgx:2 bmi1:3 hle:4 avx2:5 fdp-excp-only:6 smep:7 bmi2:8 \
         erms:9 invpcid:10 rtm:11 cmt:12 pqm:12 no-fpu-sel:13 mpx:14 pqe:15 avx512f:16 avx512dq:17 \
         rdseed:18 adx:19 smap:20 avx512-ifma:21 clflushopt:23 clwb:24 proc-trace:25 avx512pf:26 \
         avx512er:27 avx512cd:28 sha:29 avx512bw:30 avx512vl:31",
    },
    Word {
        leaf: 0x7,
        subleaf: Some(0),
        register: "ecx",
        features: "prefetchwt1:0 avx512-vbmi:1 umip:2 pku:3 ospke:4 waitpkg:5 avx512-vbmi2:6 cet-ss:7 gfni:8 \
         vaes:9 vpclmulqdq:10 avx512-vnni:11 avx512-bitalg:12 tme:13 avx512-vpopcntdq:14 la57:16 \
         rdpid:22 bld:24 cldemote:25 movdiri:27 movdir64b:28 enqcmd:29 sgx-lc:30 pks:31",
    },
    Word {
        leaf: 0x7,
        subleaf: Some(0),
        register: "edx",
        features: "sgx-keys:1 avx512-4vnniw:2 avx512-4fmaps:3 fsrm:4 uintr:5 avx512-vp2intersect:8 srbds-ctrl:9 \
         md-clear:10 rtm-always-abort:11 tsx-force-abort:13 serialize:14 hybrid:15 tsxldtrk:16 \
         pconfig:18 arch-lbr:19 cet-ibt:20 amx-bf16:22 avx512-fp16:23 amx-tile:24 amx-int8:25 ibrsb:26 \
         stibp:27 l1d-flush:28 arch-caps:29 core-caps:30 ssbd:31",
    },
    Word {
        leaf: 0x7,
        subleaf: Some(1),
        register: "eax",
        features: "sha512:0 sm3:1 sm4:2 avx-vnni:4 avx512-bf16:5 lass:6 cmpccxadd:7 arch-perf-mon:8 fzrm:10 \
         fsrs:11 fsrcs:12 fred:17 lkgs:18 wrmsrns:19 nmi-src:20 amx-fp16:21 avx-ifma:23 lam:26 \
         msrlist:27 no-invd:30",
    },
    Word { leaf: 0x7, subleaf: Some(1), register: "ebx", features: "intel-ppin:0" },
    Word {
        leaf: 0x7,
        subleaf: Some(1),
        register: "edx",
        features: "avx-vnni-int8:4 avx-ne-convert:5 amx-complex:8 avx-vnni-int16:10 prefetchi:14 uiret-uif:17 \
         cet-sss:18 slsm:24",
    },
    Word {
        leaf: 0x7,
        subleaf: Some(2),
        register: "edx",
        features: "intel-psfd:0 ipred-ctrl:1 rrsba-ctrl:2 ddp-ctrl:3 bhi-ctrl:4 mcdt-no:5 uc-lock-dis:6",
    },
    Word { leaf: 0xd, subleaf: Some(1), register: "eax", features: "xsaveopt:0 xsavec:1 xgetbv1:2 xsaves:3 xfd:4" },
    Word { leaf: 0x4000_0000, subleaf: None, register: "eax", features: "maxhvleaf:0+8" },
    Word {
        leaf: 0x8000_0001,
        subleaf: None,
        register: "ecx",
        features: "lahf-lm:0 lahfsahf:0 cmp-legacy:1 cmplegacy:1 svm:2 extapic:3 altmovcr8:4 cr8-legacy:4 abm:5 \
         sse4a:6 misalignsse:7 3dnowprefetch:8 osvw:9 ibs:10 xop:11 skinit:12 wdt:13 lwp:15 fma4:16 \
         nodeid:19 nodeid-msr:19 tbm:21 topoext:22 perfctr_core:23 perfctr_nb:24 dbext:26 monitorx:29 \
         addr-msk-ext:30",
    },
    Word {
        leaf: 0x8000_0001,
        subleaf: None,
        register: "edx",
        features: "syscall:11 nx:20 mmxext:22 ffxsr:25 page1gb:26 rdtscp:27 lm:29 3dnowext:30 3dnow:31",
    },
    Word { leaf: 0x8000_0007, subleaf: None, register: "edx", features: "hw-pstate:7 invtsc:8 itsc:8 cpb:9 efro:10" },
    Word {
        leaf: 0x8000_0008,
        subleaf: None,
        register: "ebx",
        features: "clzero:0 rstr-fp-err-ptrs:2 wbnoinvd:9 ibpb:12 ibrs:14 amd-stibp:15 ibrs-always:16 \
         stibp-always:17 ibrs-fast:18 ibrs-same-mode:19 no-lmsl:20 amd-ppin:23 ppin:23 amd-ssbd:24 \
         virt-ssbd:25 ssb-no:26 cppc:27 psfd:28 btc-no:29 ibpb-ret:30",
    },
    Word { leaf: 0x8000_0008, subleaf: None, register: "ecx", features: "nc:0+8 apicidsize:12+4" },
    Word {
        leaf: 0x8000_000a,
        subleaf: None,
        register: "edx",
        features: "svm_npt:0 svm_lbrv:1 svm_nrips:3 svm_tscrate:4 svm_vmcbclean:5 svm_decode:7 svm_pausefilt:10",
    },
    Word {
        leaf: 0x8000_0021,
        subleaf: None,
        register: "eax",
        features: "no-nest-bp:0 fs-gs-ns:1 lfence+:2 lfence-dispatch:2 verw-clear:5 nscb:6 auto-ibrs:8 amd-fsrs:10 \
         amd-fsrc:11 cpuid-user-dis:17 epsf:18 fsrsc:19 amd-prefetchi:20 avx512-bmm:23 sbpb:27 \
         ibpb-brtype:28 srso-no:29 srso-us-no:30 srso-msr-fix:31",
    },
    Word { leaf: 0x8000_0021, subleaf: None, register: "ecx", features: "tsa-sq-no:1 tsa-l1-no:2" },
    Word {
        leaf: 0x10a,
        subleaf: None,
        register: "msr",
        features: "rdcl-no:0 eibrs:1 rsba:2 skip-l1dfl:3 intel-ssb-no:4 mds-no:5 if-pschange-mc-no:6 tsx-ctrl:7 \
         taa-no:8 mcu-ctrl:9 misc-pkg-ctrl:10 energy-filtering:11 doitm:12 sbdr-ssdp-no:13 fbsdp-no:14 \
         psdp-no:15 mcu-ext:16 fb-clear:17 fb-clear-ctrl:18 rrsba:19 bhi-no:20 xapic-status:21 \
         ovrclk-status:23 pbrsb-no:24 gds-ctrl:25 gds-no:26 rfds-no:27 rfds-clear:28 ign-umonitor:29 \
         mon-umon-mitg:30 pb-opt-ctrl:32 its-no:62",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_lies_within_its_register() {
        let mut count = 0;
        for word in WORDS {
            for name in word.features.split(' ').filter_map(|feature| feature.split_once(':')).map(|(name, _)| name) {
                let feature = feature(name).expect("it is in the table");
                let width = if word.register == MSR { 2 * BITS } else { BITS };
                assert!(feature.bits > 0 && feature.bit + feature.bits <= width, "{name}");
                for value in ["0", "1", "x", "k", "s"] {
                    read_names(&format!("host,{name}={value}")).expect("it has this value");
                }
                count += 1;
            }
        }
        assert_eq!(count, 330);
    }

    #[test]
    fn families_and_models_have_two_fields() {
        let policy = read_names("host,family=23,model=0x71,stepping=0").expect("a policy");
        assert_eq!(policy.leaves[0].eax.as_deref(), Some("xxxx000010000111xxxx111100010000"));
        let policy = read_names("host,family=6").expect("a policy");
        assert_eq!(policy.leaves[0].eax.as_deref(), Some("xxxx00000000xxxxxxxx0110xxxxxxxx"));
    }

    #[test]
    fn model_specific_registers_have_64_bits() {
        let policy = read_names("host,rdcl-no=1,its-no=s").expect("a policy");
        assert_eq!(policy.leaves, []);
        assert_eq!((policy.msrs[0].index, policy.msrs[0].policy.as_str()), (0x10a, &*format!("xk{}1", "x".repeat(61))));
    }

    #[test]
    fn both_forms_say_the_same() {
        let policy = read_names("host,tm=0,sse3=k,invtsc=1,avx2=s").expect("a policy");
        let mut again = CpuPolicy::default();
        for text in write(&policy) {
            read_registers(&text, &mut again).expect("it was written");
        }
        assert_eq!(again, policy);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in [
            "tm=0",
            "host,tm",
            "host,tn=0",
            "host,tm=2",
            "host,tm=y",
            "host,family=300",
            "host,tm=-1",
            "host,rdcl-no=2",
        ] {
            read_names(text).expect_err(text);
        }
        for text in ["", "1", "x:eax=1", "1:eax=1", "1:efx=x", "1,:eax=x", "1:eax", "é:é"] {
            read_registers(text, &mut CpuPolicy::default()).expect_err(text);
        }
    }
}
