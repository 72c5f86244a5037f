"""What conda packages are called on PyPI, and which ones are not there: the data behind the translation.

The rule reads files alone, never the network, so the tables decide. A name in none of them is taken to be the
same on PyPI, which holds for nearly all packages of Python. Names are normalized: lower case, ``-`` for ``_``
and ``.``.
"""

from __future__ import annotations

RENAMED = {
    "brotli-python": "brotli",
    "dask-core": "dask",
    "faiss": "faiss-cpu",
    "ignite": "pytorch-ignite",
    "keras-base": "keras",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "mlflow-ui": "mlflow",
    "msgpack-python": "msgpack",
    "numpy-base": "numpy",
    "opencv": "opencv-python-headless",
    "psycopg2": "psycopg2-binary",
    "py-lightgbm": "lightgbm",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyg": "torch-geometric",
    "pyqt": "pyqt5",
    "pysoundfile": "soundfile",
    "pytables": "tables",
    "python-annoy": "annoy",
    "python-graphviz": "graphviz",
    "python-kaleido": "kaleido",
    "python-tzdata": "tzdata",
    "python-wget": "wget",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "pytorch-scatter": "torch-scatter",
    "pytorch-sparse": "torch-sparse",
    "ray-air": "ray[air]",
    "ray-core": "ray",
    "ray-data": "ray[data]",
    "ray-default": "ray[default]",
    "ray-rllib": "ray[rllib]",
    "ray-serve": "ray[serve]",
    "ray-train": "ray[train]",
    "ray-tune": "ray[tune]",
    "redis-py": "redis",
    "ruamel-yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-eigen": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-gpu-base": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "torch-cpu": "torch",
    "torchvision-cpu": "torchvision",
    "xgboost-gpu": "xgboost",
}

MORE_COMPONENTS = {"opencv", "py-opencv"}
"""PyPI appends a component to their versions: conda's 4.5.1 is 4.5.1.48 there."""

WITHOUT_EFFECT = {
    "_libgcc_mutex",
    "_openmp_mutex",
    "_py-xgboost-mutex",
    "_tflow_select",
    "blas",
    "ca-certificates",
    "cpuonly",
    "intel-openmp",
    "libblas",
    "libcblas",
    "libgcc",
    "libgcc-ng",
    "libgfortran",
    "libgfortran-ng",
    "libgfortran5",
    "libgomp",
    "liblapack",
    "libopenblas",
    "libstdcxx",
    "libstdcxx-ng",
    "libxgboost",
    "llvm-openmp",
    "mkl",
    "mkl-service",
    "mkl_fft",
    "mkl_random",
    "nomkl",
    "openblas",
    "python_abi",
    "pytorch-mutex",
    "tzdata",
}
"""Only steer conda's own choices, or come inside PyPI's wheels: leaving them out changes no import."""

INSIDE_TORCH = {"cuda", "cudatoolkit", "cudnn", "nccl", "pytorch-cuda"}
"""PyPI's torch brings its own copies; alone or for another library they need conda."""

DRAWN_IN = {
    "bzip2",
    "expat",
    "freetype",
    "giflib",
    "jpeg",
    "lcms2",
    "ld_impl_linux-64",
    "ld_impl_linux-aarch64",
    "lerc",
    "libdeflate",
    "libexpat",
    "libffi",
    "libjpeg-turbo",
    "liblzma",
    "libnsl",
    "libpng",
    "libsodium",
    "libsqlite",
    "libtiff",
    "libuuid",
    "libwebp",
    "libwebp-base",
    "libxcb",
    "libxcrypt",
    "libzlib",
    "lz4-c",
    "ncurses",
    "openjpeg",
    "openssl",
    "readline",
    "sqlite",
    "tk",
    "xz",
    "zeromq",
    "zlib",
    "zstd",
}
"""Libraries that an export of an environment names since Python, Pillow, NumPy or others drew them in. Interpreters
and PyPI's wheels have copies of their own; in a file that somebody wrote by hand they are asked for."""

CONDA_ONLY = {
    "anaconda",
    "anaconda-client",
    "autoconf",
    "automake",
    "bcftools",
    "bedtools",
    "binutils",
    "blast",
    "boost",
    "bowtie",
    "bowtie2",
    "bwa",
    "bwa-mem2",
    "bzip2",
    "c-compiler",
    "cairo",
    "clang",
    "cmdstan",
    "compilers",
    "conda",
    "conda-build",
    "cuda",
    "cudatoolkit",
    "cudf",
    "cudnn",
    "cuml",
    "cupy",
    "curl",
    "cxx-compiler",
    "dbus",
    "entrez-direct",
    "expat",
    "fastp",
    "fastqc",
    "fasttree",
    "ffmpeg",
    "fftw",
    "fontconfig",
    "fortran-compiler",
    "freebayes",
    "freetype",
    "gatk4",
    "gcc",
    "gdal",
    "geos",
    "gettext",
    "gfortran",
    "git",
    "git-lfs",
    "glib",
    "go",
    "google-cloud-sdk",
    "graphviz",
    "gsl",
    "gst-plugins-base",
    "gstreamer",
    "gxx",
    "hdf5",
    "hisat2",
    "hmmer",
    "htslib",
    "icu",
    "iqtree",
    "jags",
    "jemalloc",
    "jpeg",
    "jq",
    "julia",
    "kallisto",
    "kraken2",
    "krb5",
    "lame",
    "lapack",
    "ld_impl_linux-64",
    "llvm",
    "lz4-c",
    "m2w64-toolchain",
    "mafft",
    "make",
    "mamba",
    "maven",
    "megahit",
    "minimap2",
    "mpi",
    "mpich",
    "muscle",
    "mysql",
    "nb_conda",
    "nb_conda_kernels",
    "nccl",
    "ncurses",
    "nextflow",
    "nodejs",
    "nspr",
    "nss",
    "openjdk",
    "openjpeg",
    "openmpi",
    "openssl",
    "pandoc",
    "pango",
    "pcre",
    "perl",
    "picard",
    "pixman",
    "pkg-config",
    "plotly-orca",
    "poppler",
    "postgresql",
    "prodigal",
    "proj",
    "pygraphviz",
    "pytorch-cuda",
    "qt",
    "qt-main",
    "r",
    "rapids",
    "readline",
    "redis-server",
    "rsem",
    "ruby",
    "rust",
    "salmon",
    "samtools",
    "seqkit",
    "seqtk",
    "snappy",
    "sox",
    "spades",
    "sqlite",
    "sra-tools",
    "star",
    "subread",
    "tesseract",
    "texlive-core",
    "tk",
    "trimmomatic",
    "ucx",
    "unixodbc",
    "unzip",
    "vcftools",
    "vs2015_runtime",
    "wget",
    "x264",
    "xz",
    "yaml",
    "yarn",
    "zeromq",
    "zip",
    "zlib",
    "zstd",
}
"""Libraries, compilers and programs that are not Python packages; PyPI may use the name for another thing."""

CONDA_ONLY_BEGINNINGS = (
    "_",
    "r-",
    "lib",
    "xorg-",
    "cuda-",
    "spacy-model-",
    "gcc_",
    "gxx_",
    "gfortran_",
    "sysroot_",
)
CONDA_ONLY_ENDINGS = (
    "-ng",
    "-cpp",
    "-dev",
    "-devel",
    "-static",
    "_linux-64",
    "_osx-64",
    "_osx-arm64",
    "_win-64",
)

PUBLIC_CHANNELS = {
    "anaconda",
    "bioconda",
    "conda-forge",
    "defaults",
    "free",
    "huggingface",
    "intel",
    "main",
    "msys2",
    "nodefaults",
    "nvidia",
    "plotly",
    "pro",
    "pytorch",
    "r",
    "rapidsai",
    "scipy",
    "simpleitk",
    "xgboost",
}
"""Channels whose Python packages are those of PyPI, by the last part of an address of any mirror."""

OF_OTHER_PLATFORMS = {
    "_libgcc_mutex",
    "_openmp_mutex",
    "appnope",
    "intel-openmp",
    "libcxx",
    "libgcc",
    "libgcc-ng",
    "libgfortran-ng",
    "libgfortran5",
    "libgomp",
    "libiconv",
    "libstdcxx",
    "libstdcxx-ng",
    "llvm-openmp",
    "m2w64-gcc-libs",
    "msys2-conda-epoch",
    "pywin32",
    "pywinpty",
    "ucrt",
    "vc",
    "vc14_runtime",
    "vs2015_runtime",
    "winpty",
    "wincertstore",
}
"""What only one platform has, and an export of it names: as written, not normalized."""

PYPI_ALL_THE_SAME = {
    "cuda-bindings",
    "cuda-python",
    "libclang",
    "libcst",
    "liblinear-official",
    "libpysal",
    "librosa",
    "libsass",
    "libsvm",
    "libsvm-official",
    "libtmux",
}
"""Packages of PyPI that the beginnings and endings above would rule out."""


def normalized(name: str) -> str:
    """Return the name as PyPI compares it.

    >>> normalized("Ruamel_yaml")
    'ruamel-yaml'
    """
    return name.lower().replace("_", "-").replace(".", "-")


def _normal(names: set[str]) -> frozenset[str]:
    return frozenset(normalized(name) for name in names)


_WITHOUT_EFFECT = _normal(WITHOUT_EFFECT)
_DRAWN_IN = _normal(DRAWN_IN)
_CONDA_ONLY = _normal(CONDA_ONLY)
_BEGINNINGS = tuple(dict.fromkeys(normalized(each) for each in CONDA_ONLY_BEGINNINGS))
_ENDINGS = tuple(normalized(each) for each in CONDA_ONLY_ENDINGS)


def has_no_effect(name: str) -> bool:
    """True when the package can be left out without a difference to the project's imports."""
    return normalized(name) in _WITHOUT_EFFECT


def is_drawn_in(name: str) -> bool:
    """True for a library that an export names only because another package needs it."""
    return normalized(name) in _DRAWN_IN


def needs_conda(name: str) -> bool:
    """True when PyPI has no such package, or another one by that name."""
    name = normalized(name)
    if name in PYPI_ALL_THE_SAME:
        return False
    return name in _CONDA_ONLY or name.startswith(_BEGINNINGS) or name.endswith(_ENDINGS)


def is_own_channel(channel: str) -> bool:
    """True for a channel that is given by an address or a path of its own: what it holds need not be public.

    >>> is_own_channel("file:///srv/team"), is_own_channel("https://mirror.example/anaconda/cloud/conda-forge/")
    (True, False)
    """
    is_address = "://" in channel or channel.startswith((".", "/", "~"))
    return is_address and channel.rstrip("/").rpartition("/")[2] not in PUBLIC_CHANNELS


def on_pypi(name: str) -> str:
    """Return what PyPI calls the package."""
    return RENAMED.get(normalized(name), name)
