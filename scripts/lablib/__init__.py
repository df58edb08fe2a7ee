# SPDX-License-Identifier: GPL-2.0-only
"""The lab: stock Debian kernels booted in emulators that have SVM or VMX.

Each module here is one noun; scripts/lab is only the command line.  Other
scripts (bench, CI) import lablib.run.Machine and lablib.build.modules().
"""
