"""A volume renderer, as medical programs are: a head of numbers, seen by casting rays through it.

Run as ``python -m tests.vtk_volume``. Prints ``shown`` after the first frame, ``turned`` whenever the
mouse has turned it, and ends with its window.
"""

from __future__ import annotations

import os
import socket
import sys

import numpy as np
import vtk  # type: ignore[import-untyped]
from vtk.util import numpy_support  # type: ignore[import-untyped]

SIDE = 48
SIZE = (500, 400)


def head() -> np.ndarray:
    """A scan: a shell of bone, two lobes of tissue within, and one that is brighter off the middle."""
    z, y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    skull = np.sqrt(x**2 / 0.6 + y**2 / 0.9 + z**2 / 0.75)
    scan = np.where((skull > 0.82) & (skull < 0.95), 220.0, 0.0)
    for side in (-1, 1):
        lobe = (x - 0.28 * side) ** 2 / 0.08 + y**2 / 0.3 + z**2 / 0.25
        scan = np.where(lobe < 1, 110 + 30 * np.sin(9 * y) * np.cos(7 * z), scan)
    tumour = (x - 0.35) ** 2 + (y - 0.3) ** 2 + (z - 0.2) ** 2
    scan = np.where(tumour < 0.03, 250.0, scan)
    noise = np.random.default_rng(1).normal(0, 4, scan.shape)
    return np.clip(scan + noise, 0, 255).astype(np.uint8)


def volume(scan: np.ndarray) -> vtk.vtkVolume:
    """The scan as something to be drawn: bone grey and thin, tissue red, the tumour yellow."""
    image = vtk.vtkImageData()
    image.SetDimensions(*reversed(scan.shape))
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(scan.ravel(), deep=True))
    colour = vtk.vtkColorTransferFunction()
    for value, red, green, blue in ((0, 0, 0, 0), (110, 0.8, 0.2, 0.2), (220, 0.7, 0.7, 0.7)):
        colour.AddRGBPoint(value, red, green, blue)
    colour.AddRGBPoint(250, 1, 1, 0)
    opacity = vtk.vtkPiecewiseFunction()
    for value, part in ((0, 0), (60, 0), (110, 0.08), (200, 0.03), (235, 0.03), (250, 0.9)):
        opacity.AddPoint(value, part)
    looks = vtk.vtkVolumeProperty()
    looks.SetColor(colour)
    looks.SetScalarOpacity(opacity)
    looks.SetInterpolationTypeToLinear()
    mapper = vtk.vtkFixedPointVolumeRayCastMapper()
    mapper.SetInputData(image)
    made = vtk.vtkVolume()
    made.SetMapper(mapper)
    made.SetProperty(looks)
    return made


def main() -> int:
    renderer = vtk.vtkRenderer()
    renderer.SetBackground(0, 0, 0.4)
    renderer.AddVolume(volume(head()))
    renderer.ResetCamera()
    window = vtk.vtkRenderWindow()
    window.SetWindowName("Volume")
    window.SetSize(*SIZE)
    window.AddRenderer(renderer)
    interactor = vtk.vtkRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    style = vtk.vtkInteractorStyleTrackballCamera()
    style.AddObserver("EndInteractionEvent", lambda *_: say("turned"))
    interactor.SetInteractorStyle(style)
    window.Render()
    say(f"shown {os.getpid()} {socket.gethostname()}")
    interactor.Start()
    return 0


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
