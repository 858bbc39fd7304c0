//! What the filter may call and be called by: the lists that the build is cut to.

/// The host functions that the filter imports, as `MODULE.NAME`, and the functions (and the memory) that it exports.
pub fn lists() -> [Vec<&'static str>; 2] {
    [
        include_str!("../../plugin/abi/imports.txt"),
        include_str!("../../plugin/abi/exports.txt"),
    ]
    .map(|text| {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect()
    })
}
