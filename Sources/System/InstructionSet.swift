import CKernels

/// The instructions that kernels are written for.
public enum InstructionSet {
    /// The one whose kernels this process uses: the best that runs here, or what `MARTLET_KERNELS` asks for.
    public static var active: String { name(martlet_kernels_active().pointee.instruction_set) }

    /// Those that this processor and operating system run.
    public static var supported: [String] {
        (0..<MARTLET_INSTRUCTION_SETS).map { martlet_instruction_set(UInt32($0)) }.filter(martlet_cpu_supports).map(
            name)
    }

    private static func name(_ set: martlet_instruction_set) -> String {
        String(cString: martlet_instruction_set_name(set))
    }
}
