import CKernels

/// The instruction sets of the kernels.
public enum InstructionSet {
    /// The set whose kernels this process uses: the best that this processor runs, or the one named by
    /// `MARTLET_KERNELS`.
    public static var active: String { name(martlet_kernels_active().pointee.instruction_set) }

    /// The sets that this processor and operating system support.
    public static var supported: [String] {
        (0..<MARTLET_INSTRUCTION_SETS).map { martlet_instruction_set(UInt32($0)) }.filter(martlet_cpu_supports).map(
            name)
    }

    private static func name(_ set: martlet_instruction_set) -> String {
        String(cString: martlet_instruction_set_name(set))
    }
}
