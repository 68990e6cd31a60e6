// SPDX-License-Identifier: MIT
/** The part of linux/vfio.h that /dev/iommu understands, in the header's spelling (`spec/03` §6.1). */

export const VFIO_GET_API_VERSION = 0x3b64
export const VFIO_CHECK_EXTENSION = 0x3b65
export const VFIO_SET_IOMMU = 0x3b66
export const VFIO_IOMMU_GET_INFO = 0x3b70
export const VFIO_IOMMU_MAP_DMA = 0x3b71
export const VFIO_IOMMU_UNMAP_DMA = 0x3b72

export const VFIO_API_VERSION = 0

export const VFIO_TYPE1_IOMMU = 1
export const VFIO_TYPE1v2_IOMMU = 3
export const VFIO_DMA_CC_IOMMU = 4
export const VFIO_UNMAP_ALL = 9

export const VFIO_IOMMU_INFO_PGSIZES = 1
export const VFIO_IOMMU_INFO_CAPS = 2
export const VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1
export const VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3

export const VFIO_DMA_MAP_FLAG_READ = 1
export const VFIO_DMA_MAP_FLAG_WRITE = 2
export const VFIO_DMA_UNMAP_FLAG_ALL = 2
