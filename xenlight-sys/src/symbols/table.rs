//! The macro of the symbol tables: one declaration of a function makes its entry, its loading and its caller.

/// Declares a table of `libxl_` functions, in three groups: those that every supported release has alike become methods;
/// those that came `later`, with the first release that has them and the only architecture, if there is one, become methods
/// that return an `Option` of the function; those whose parameters `changed` become methods that return the enum of its forms.
macro_rules! symbol_table {
    (
        $(#[$about:meta])*
        $table:ident in $part:ident;
        always {
            $( $(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?; )*
        }
        later {
            $(
                $(#[$later_doc:meta])*
                ($major:tt, $minor:tt $(, $arch:tt)?)
                fn $later:ident($($later_arg:ident: $later_ty:ty),* $(,)?) $(-> $later_ret:ty)?;
            )*
        }
        changed {
            $( $(#[$changed_doc:meta])* $changed:ident: $forms:ty; )*
        }
    ) => {
        pub(crate) struct $table {
            $( $name: unsafe extern "C" fn($($ty),*) $(-> $ret)?, )*
            $( $later: Option<unsafe extern "C" fn($($later_ty),*) $(-> $later_ret)?>, )*
            $( $changed: $forms, )*
        }

        impl $table {
            /// Finds each symbol that `release` must have.
            pub(crate) fn find(
                object: &$crate::shared_object::SharedObject,
                release: $crate::Release,
            ) -> Result<Self, $crate::LoadError> {
                #[allow(unused_variables, reason = "a table without later and changed functions")]
                let since = |first, symbol| {
                    if release < first { Ok(None) } else { object.require(symbol).map(Some) }
                };
                Ok(Self {
                    $( $name: {
                        let address = object.require(concat!("libxl_", stringify!($name)))?;
                        // SAFETY: the function of this name has this type in every supported release
                        // (tests/against_c.rs), and a SharedObject is never unloaded.
                        unsafe { $crate::by_release::function(address) }
                    }, )*
                    $( $later: if true $( && cfg!(target_arch = $arch) )? {
                        since($crate::Release::new($major, $minor), concat!("libxl_", stringify!($later)))?
                            // SAFETY: likewise, in each release since that.
                            .map(|address| unsafe { $crate::by_release::function(address) })
                    } else {
                        None
                    }, )*
                    $( $changed: {
                        let address = since(
                            <$forms as $crate::by_release::ByRelease>::SINCE,
                            concat!("libxl_", stringify!($changed)),
                        )?;
                        // SAFETY: the symbol of this release, in an object that is never unloaded.
                        unsafe { <$forms as $crate::by_release::ByRelease>::form(release, address) }
                    }, )*
                })
            }
        }

        $(#[$about])*
        impl $crate::Library {
            $(
                $(#[$doc])*
                ///
                /// # Safety
                ///
                /// The [rules for every call](crate#rules-for-every-call), and what the header asks for.
                #[allow(clippy::too_many_arguments, reason = "libxl's parameters")]
                pub unsafe fn $name(&self, $($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: the function is loaded and of this type; the rest is the caller's promise.
                    unsafe { (self.table.$part.$name)($($arg),*) }
                }
            )*
            $(
                $(#[$later_doc])*
                #[doc = concat!("\n\nIn ", $major, ".", $minor, " and later", $(", on ", $arch, " only",)? ".")]
                #[allow(clippy::type_complexity, reason = "libxl's parameters")]
                pub fn $later(
                    &self,
                ) -> Option<unsafe extern "C" fn($($later_arg: $later_ty),*) $(-> $later_ret)?> {
                    self.table.$part.$later
                }
            )*
            $(
                $(#[$changed_doc])*
                pub fn $changed(&self) -> $forms {
                    self.table.$part.$changed
                }
            )*
        }

        pub(super) const SYMBOLS: &[$crate::Symbol] = &[
            $( $crate::Symbol {
                name: concat!("libxl_", stringify!($name)),
                since: $crate::Release::V4_2,
                signature: |_| core::any::type_name::<unsafe extern "C" fn($($ty),*) $(-> $ret)?>(),
            }, )*
            $(
                $( #[cfg(target_arch = $arch)] )?
                $crate::Symbol {
                    name: concat!("libxl_", stringify!($later)),
                    since: $crate::Release::new($major, $minor),
                    signature: |_| core::any::type_name::<unsafe extern "C" fn($($later_ty),*) $(-> $later_ret)?>(),
                },
            )*
            $( $crate::Symbol {
                name: concat!("libxl_", stringify!($changed)),
                since: <$forms as $crate::by_release::ByRelease>::SINCE,
                signature: <$forms as $crate::by_release::ByRelease>::signature,
            }, )*
        ];
    };
}

pub(super) use symbol_table;
