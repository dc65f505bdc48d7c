"""What the workbook takes of diffusers, imported without the packages that diffusers would look for
and load whole, and of which nothing here makes use.  Notebook: 33."""

from lib.core import on_demand

with on_demand.light("diffusers", "peft", "transformers", "xformers"):
    from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC
    from diffusers.models.unets.unet_2d import UNet2DModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
    from diffusers.utils.torch_utils import randn_tensor

__all__ = ["AutoencoderDC", "DDPMScheduler", "DPMSolverMultistepScheduler", "UNet2DModel",
           "randn_tensor"]
