"""Writes arrays.npz (deflated), stored.npz and fortran.npy, as NumPy does. Run in this folder."""
import numpy

arrays = {
    "f4": numpy.linspace(-2, 2, 60, dtype="<f4").reshape(3, 4, 5),
    "f8": numpy.array([numpy.pi, numpy.nan, -numpy.inf]),
    "f2": numpy.arange(6, dtype="<f2").reshape(2, 3),
    "i1": numpy.arange(-3, 3, dtype="i1"),
    "u1": numpy.arange(250, 256, dtype="u1"),
    "i2": numpy.array([[-300], [300]], dtype="<i2"),
    "i4": numpy.array(-70000, dtype="<i4"),
    "i8": numpy.array([1 << 40, -1]),
    "b1": numpy.array([True, False, True]),
    "empty": numpy.zeros((0, 3), dtype="<f4"),
    "big": numpy.arange(5, dtype=">i4"),
    "zeros": numpy.zeros((50, 40), dtype="<f4"),
}
numpy.savez_compressed("arrays.npz", **arrays)
numpy.savez("stored.npz", first=arrays["f4"], second=arrays["i8"])
numpy.save("fortran.npy", numpy.asfortranarray(numpy.arange(24, dtype="<i8").reshape(2, 3, 4)))
