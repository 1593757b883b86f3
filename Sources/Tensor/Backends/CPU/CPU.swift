/// The kernels of the processor: float32, and weights in the formats they are stored in. This folder alone calls them.
enum CPU {}
